package sqs

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/runtime/driver"
)

// maxName is the longest name of an SQS queue, .fifo included.
const maxName = 80

// names builds the names of the SQS queues that one queue stands on:
//
//	<prefix><name>          a standard queue, or a dead letter queue
//	<prefix><name>.fifo     a fifo queue, or its dead letter queue
//	<prefix><name>--later   where the delayed tasks of a fifo queue wait
//	<prefix><name>--p<n>    level n of a priority queue
type names struct{ prefix, name string }

func (n names) standard() string       { return n.prefix + n.name }
func (n names) fifo() string           { return n.prefix + n.name + ".fifo" }
func (n names) later() string          { return n.prefix + n.name + "--later" }
func (n names) level(level int) string { return n.prefix + n.name + "--p" + strconv.Itoa(level) }

// check says what is wrong with a queue's name. The longest that derives from it
// must fit.
func (n names) check() error {
	if most := maxName - len("--later"); len(n.prefix)+len(n.name) > most {
		return fmt.Errorf("%w %q: with the prefix %q it has %d characters, and SQS takes %d", driver.ErrInvalidQueue, n.name, n.prefix, len(n.prefix)+len(n.name), most)
	}
	// A name that derives from another queue's could be this one.
	if strings.Contains(n.prefix+n.name, "--") {
		return fmt.Errorf("%w %q: with the prefix %q it holds --, which SQS queues of levels and delayed tasks have in their names: write a single -", driver.ErrInvalidQueue, n.name, n.prefix)
	}
	for _, r := range n.prefix + n.name {
		if !plain(r) {
			return fmt.Errorf("%w %q: SQS takes letters, digits, - and _ in the name of a queue and in the prefix, not %q", driver.ErrInvalidQueue, n.prefix+n.name, r)
		}
	}
	return nil
}

func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// token makes a message group ID or a deduplication ID of any text: the text
// itself where SQS takes it (1 to 128 letters, digits and punctuation), else
// its hash.
func token(s string) string {
	const most = 128
	if s == "" || len(s) > most || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		sum := sha256.Sum256([]byte(s))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return s
}
