package nats

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The subject of a task on queue q, with the default prefix:
//
//	taskgen.<q>.<place>.<group>.<key>.<id>
//
// A place has three tokens; it is where in the life of the queue a message
// stands. Group, key and id are tokens of the task's own (see token), "-" where
// it has none. So one pattern finds a task by its ID in whatever place it is, one
// a unique key and one a group.
const (
	placeReady     = "q.r."  // and the partition: due tasks
	placeScheduled = "d.s."  // and the partition: schedules, whose target is its placeReady
	placeHead      = "q.a.h" // fifo: the first of its group, due
	placeWaiting   = "q.a.w" // fifo: a schedule; the first of its group waits for its retry
	placeTomb      = "q.a.t" // fifo: the group had no follower when its last task ended
	placeFollowers = "q.l.0" // fifo: those behind the first
	placeJoining   = "d.j.0" // fifo: delayed tasks that fell due, on their way into their groups
	placeDelayed   = "d.s.0" // fifo: schedules, whose target is placeJoining
	placeKey       = "k.k.0" // unique keys with a window
	placeAnchor    = "k.a.0" // a message that earlier builds keep at the front

	anyPlace   = "*.*.*"
	anyPresent = "q.*.*" // of a group: its first and its followers
	anyActive  = "q.a.*" // of a group: its first, or its tomb

	defaultPartition = "0" // the partition of level 0, and of every queue without levels
	none             = "-" // the token of what a task does not have
)

// maxToken bounds a token: longer ones are hashed. Five of them, a stream and a
// consumer fit in a protocol line of a server with default limits (4096 bytes).
const maxToken = 120

// token makes any text one token of a subject that is also fit for the name of a
// stream: letters, digits, - and _ stand for themselves, other bytes as = and
// two digits, and what gets too long that way is hashed. Different texts give
// different tokens, and none is "-".
func token(s string) string {
	plain := s != "" && s != none && len(s) <= maxToken
	for i := 0; plain && i < len(s); i++ {
		plain = isPlain(s[i])
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isPlain(c) && s != none {
			b.WriteByte(c)
		} else {
			b.WriteByte('=')
			b.WriteByte("0123456789abcdef"[c>>4])
			b.WriteByte("0123456789abcdef"[c&15])
		}
	}
	if b.Len() == 0 {
		return "="
	}
	if b.Len() > maxToken {
		sum := sha256.Sum256([]byte(s))
		return "~" + hex.EncodeToString(sum[:])
	}
	return b.String()
}

// idToken is the last token of a subject, which is that of an ID.
func idToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// subjectID is the ID of a message that cannot be decoded, by its subject. A token that no ID
// has, like another program's, and one from which the ID cannot be told, because it is
// hashed, are IDs themselves.
func subjectID(subject string) string {
	t := idToken(subject)
	var b []byte
	for i := 0; i < len(t); i++ {
		c := t[i]
		if c == '=' && i+2 < len(t) {
			n, err := strconv.ParseUint(t[i+1:i+3], 16, 8)
			if err != nil {
				return t
			}
			c, i = byte(n), i+2
		}
		b = append(b, c)
	}
	if id := string(b); id != "" && utf8.ValidString(id) && token(id) == t {
		return id
	}
	return t
}

// idTokens are the tokens by which messages of an ID can be found: its own, and the ID as
// it is, if subjectID may have taken it from a subject.
func idTokens(id string) []string {
	own := token(id)
	if id == own || id == "" || len(id) > maxForeignToken || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || strings.ContainsRune(".*>", c) }) {
		return []string{own}
	}
	return []string{own, id}
}

// maxForeignToken bounds the tokens of other programs that are looked up.
const maxForeignToken = 1 << 10

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// names builds every name of one queue.
type names struct {
	stream string // <prefix>-<queue>
	root   string // <prefix>.<queue>.
}

func namesOf(prefix, queue string) names {
	q := token(queue)
	return names{stream: prefix + "-" + q, root: prefix + "." + q + "."}
}

// at is a subject, or a pattern where parts of it are wildcards.
func (n names) at(place, tail string) string { return n.root + place + "." + tail }

// all is the pattern of everything in a place.
func (n names) all(place string) string { return n.root + place + ".>" }

// A tail is the last three tokens of a subject: group, key and id.
func tail(group, key, id string) string { return group + "." + key + "." + id }

// split takes a subject of the queue apart. ok is false for one that is none.
func (n names) split(subject string) (place, rest string, ok bool) {
	s, ok := strings.CutPrefix(subject, n.root)
	if !ok || strings.Count(s, ".") != 5 {
		return "", "", false
	}
	i := 0
	for range 3 {
		i += strings.IndexByte(s[i:], '.') + 1
	}
	return s[:i-1], s[i:], true
}

// groupOf is the group's token in a tail.
func groupOf(rest string) string {
	g, _, _ := strings.Cut(rest, ".")
	return g
}

// The names of consumers. Each of a stream has patterns of its own, for on a
// stream with work queue retention no two may overlap.
func readyConsumer(partition string) string { return "ready-" + partition }
func schedConsumer(partition string) string { return "scheduled-" + partition }

const (
	headConsumer      = "head"    // fifo: first tasks, and those that join
	followersConsumer = "line"    // fifo: never pulled from, it counts
	waitingConsumer   = "waiting" // fifo: likewise
	otherConsumer     = "aside"   // likewise, of what is no task: keys, tombs
)

// originPartition is the partition on a dead letter queue for what died on a queue.
func originPartition(queue string) string { return "from-" + token(queue) }
