package sqstest

import (
	"container/list"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// state says where a message of a queue is.
type state int

const (
	ready    state = iota
	delayed        // sent, not due yet
	inFlight       // received, its visibility timeout runs
)

type message struct {
	id         string
	body       string
	bodyMD5    string
	attributes map[string]attributeValue
	trace      *attributeValue // AWSTraceHeader

	group    string // the group of a FIFO queue, the tenant of a standard one
	dedup    string
	sequence string    // FIFO only
	source   string    // the ARN of the queue that dead lettered it
	sent     time.Time // retention counts from here

	receives      int // ApproximateReceiveCount; goes on in a dead letter queue
	receivesHere  int // since it came to its queue
	firstReceived time.Time

	state     state
	visibleAt time.Time // when it is delayed or in flight
	received  time.Time // the last time
	handle    int       // number of the receipt handle that holds; 0: none yet

	place  *list.Element // among the ready of a standard queue, or in its group
	hidden int           // its index in queue.hidden
}

// The attribute names of a message have these rules; its values are never empty.
const (
	maxAttributes    = 10
	maxAttributeName = 256
)

// validText reports whether s holds nothing but the characters that XML 1.0
// allows, which is what SQS carries.
func validText(s string) bool {
	for _, r := range s {
		switch {
		case r == '\t' || r == '\n' || r == '\r', r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000:
		default:
			return false
		}
	}
	return true
}

// checkAttributes checks the attributes that a user gives to a message.
func checkAttributes(attributes map[string]attributeValue) *Error {
	if len(attributes) > maxAttributes {
		return invalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(attributes), maxAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := checkAttribute(name, attributes[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkAttribute(name string, value attributeValue) *Error {
	lower := strings.ToLower(name)
	kind, suffix, _ := strings.Cut(value.DataType, ".")
	switch {
	case name == "" || len(name) > maxAttributeName || !onlyWith(name, "_-."):
		return invalidParameter("The message attribute name '%s' is invalid.", name)
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") || name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, ".."):
		return invalidParameter("The message attribute name '%s' is invalid.", name)
	case kind != "String" && kind != "Number" && kind != "Binary" || len(suffix) > maxAttributeName:
		return invalidParameter("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	case kind == "Binary" && len(value.BinaryValue) == 0, kind != "Binary" && (value.StringValue == nil || *value.StringValue == ""):
		return invalidParameter("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, kind)
	case kind != "Binary" && !validText(*value.StringValue):
		return badContents()
	case kind == "Number":
		if _, err := strconv.ParseFloat(*value.StringValue, 64); err != nil {
			return invalidParameter("Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
	}
	return nil
}

// checkSystemAttributes checks the one system attribute that may be sent.
func checkSystemAttributes(attributes map[string]attributeValue) (*attributeValue, *Error) {
	for name := range attributes {
		if name != "AWSTraceHeader" {
			return nil, invalidParameter("Message system attribute name '%s' is invalid.", name)
		}
	}
	trace, ok := attributes["AWSTraceHeader"]
	if !ok {
		return nil, nil
	}
	if trace.DataType != "String" || trace.StringValue == nil || *trace.StringValue == "" {
		return nil, invalidParameter("Message system attribute 'AWSTraceHeader' must contain a non-empty value of type 'String'.")
	}
	return &trace, nil
}

// onlyWith reports whether s holds nothing but letters and digits of ASCII and
// the characters of others.
func onlyWith(s, others string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r) {
			return false
		}
	}
	return true
}

func sizeOf(body string, attributes map[string]attributeValue) int {
	n := len(body)
	for name, value := range attributes {
		n += len(name) + len(value.DataType) + len(value.BinaryValue)
		if value.StringValue != nil {
			n += len(*value.StringValue)
		}
	}
	return n
}

func md5Of(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is the digest that AWS documents: names in order, each member
// with its length before it, one byte telling text from binary. It is empty
// when there are no attributes.
func md5OfAttributes(attributes map[string]attributeValue) string {
	if len(attributes) == 0 {
		return ""
	}
	h := md5.New()
	write := func(s string) {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		write(name)
		write(value.DataType)
		if value.StringValue != nil {
			h.Write([]byte{1})
			write(*value.StringValue)
		} else {
			h.Write([]byte{2})
			write(string(value.BinaryValue))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// receiptHandle names one receive of one message of q.
func (q *queue) receiptHandle(m *message) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s %s %d", q.id, m.id, m.handle))
}

// byHandle finds the message that a receipt handle stands for, which is nil when
// it is gone. held says that no later receive has replaced the handle.
func (q *queue) byHandle(handle string) (m *message, held bool, err *Error) {
	raw, decodeErr := base64.StdEncoding.DecodeString(handle)
	parts := strings.Split(string(raw), " ")
	if decodeErr != nil || len(parts) != 3 || parts[0] != q.id {
		return nil, false, badHandle(handle)
	}
	number, decodeErr := strconv.Atoi(parts[2])
	if decodeErr != nil {
		return nil, false, badHandle(handle)
	}
	m = q.messages[parts[1]]
	return m, m != nil && m.handle == number, nil
}
