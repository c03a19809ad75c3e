package sqlite

import (
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A receipt identifies one delivery: the job's row and the token of its lease, which no
// later lease of the queue has.
type receipt struct {
	seq, token int64
	// bound says that other rows belong to the task (a unique key, a group, the count of
	// dead tasks), which have to change when it ends.
	bound bool
}

// String writes "seq.token", with a "+" after it when bound.
func (r receipt) appendTo(b []byte) []byte {
	b = strconv.AppendInt(b, r.seq, 36)
	b = append(b, '.')
	b = strconv.AppendInt(b, r.token, 36)
	if r.bound {
		b = append(b, '+')
	}
	return b
}

// parseReceipt reads a receipt. A foreign one gives the zero receipt, which no lease has.
func parseReceipt(from driver.Receipt) receipt {
	text, bound := strings.CutSuffix(string(from), "+")
	seq, token, _ := strings.Cut(text, ".")
	var r receipt
	var err1, err2 error
	r.seq, err1 = strconv.ParseInt(seq, 36, 64)
	r.token, err2 = strconv.ParseInt(token, 36, 64)
	if err1 != nil || err2 != nil {
		return receipt{}
	}
	r.bound = bound
	return r
}
