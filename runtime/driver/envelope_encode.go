package driver

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"time"
)

// EnvelopeVersion is the version of the envelope that this build writes, and the highest
// that it reads.
const EnvelopeVersion = 1

// AppendEnvelope appends the JSON form of t to dst and returns the extended slice. t must
// be valid (see [Task.Validate]); otherwise the envelope may not be JSON at all.
//
// Equal tasks give equal bytes. The keys have a fixed order, those of metadata are
// sorted, and zero values are omitted. The payload is copied byte for byte, without white
// space around it; with an Encoding it is a base64 string. Times are RFC 3339 in UTC with
// as many digits as they need, down to the nanosecond. Durations are whole milliseconds,
// rounded up: 1 µs becomes 1 ms.
//
// AppendEnvelope allocates only to grow dst, and to sort more than 16 keys of metadata.
func AppendEnvelope(dst []byte, t *Task) []byte {
	dst = slices.Grow(dst, envelopeSize(t))
	dst = append(dst, `{"v":1,"id":`...)
	dst = appendString(dst, t.ID)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, t.Type)
	dst = append(dst, `,"queue":`...)
	dst = appendString(dst, t.Queue)
	dst = append(dst, `,"payload":`...)
	if t.Encoding == "" {
		dst = append(dst, trimSpace(t.Payload)...)
	} else {
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, t.Payload)
		dst = append(dst, '"')
	}
	dst = appendText(dst, `,"encoding":`, t.Encoding)
	dst = appendNumber(dst, `,"priority":`, int64(t.Priority))
	dst = appendText(dst, `,"group_key":`, t.GroupKey)
	dst = appendText(dst, `,"unique_key":`, t.UniqueKey)
	dst = appendNumber(dst, `,"unique_for_ms":`, milliseconds(t.UniqueFor))
	dst = appendMetadata(dst, t.Metadata)
	dst = appendTime(dst, `,"created_at":"`, t.CreatedAt)
	dst = appendTime(dst, `,"scheduled_for":"`, t.ScheduledFor)
	dst = appendNumber(dst, `,"max_retries":`, int64(t.MaxRetries))
	dst = appendNumber(dst, `,"retry_count":`, int64(t.RetryCount))
	dst = appendNumber(dst, `,"timeout_ms":`, milliseconds(t.Timeout))
	dst = appendNumber(dst, `,"schema_version":`, int64(t.SchemaVersion))
	dst = appendText(dst, `,"shape":`, t.Shape)
	return append(dst, '}')
}

// envelopeSize returns enough room for the envelope of most tasks: those whose strings
// need no escapes.
func envelopeSize(t *Task) int {
	const fixed = 256 // every key, two times and the numbers of most tasks
	n := fixed + len(t.ID) + len(t.Type) + len(t.Queue) + len(t.Payload) + len(t.Encoding) + len(t.GroupKey) + len(t.UniqueKey)
	if t.Encoding != "" {
		n += base64.StdEncoding.EncodedLen(len(t.Payload)) - len(t.Payload)
	}
	for k, v := range t.Metadata {
		n += len(k) + len(v) + len(`"":"",`)
	}
	return n
}

// maxMilliseconds is the longest duration that an envelope can hold: the last whole
// millisecond of a time.Duration, 292 years.
const maxMilliseconds = math.MaxInt64 / int64(time.Millisecond)

// milliseconds rounds up, so that a short timeout does not become 0, no timeout.
func milliseconds(d time.Duration) int64 {
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return min(ms, maxMilliseconds)
}

func appendText(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(append(dst, key...), s)
}

func appendNumber(dst []byte, key string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, key...), n, 10)
}

// appendTime appends t unless it is zero. The key ends with the opening quote.
func appendTime(dst []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return append(t.UTC().AppendFormat(append(dst, key...), time.RFC3339Nano), '"')
}

func appendMetadata(dst []byte, meta map[string]string) []byte {
	if len(meta) == 0 {
		return dst
	}
	var room [16]string // keeps the keys of nearly all tasks off the heap
	keys := room[:0]
	for k := range meta {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, `,"metadata":{`...)
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, k), ':')
		dst = appendString(dst, meta[k])
	}
	return append(dst, '}')
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string, escaped as encoding/json does
// without HTML escapes: quote, backslash, control characters, and the line
// separators U+2028 and U+2029, which are line ends to old JavaScript.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0xE2 {
			continue
		}
		if c == 0xE2 {
			if i+2 < len(s) && s[i+1] == 0x80 && s[i+2]&^1 == 0xA8 {
				dst = append(dst, s[from:i]...)
				dst = append(dst, `\u202`...)
				dst = append(dst, hexDigits[s[i+2]&0xF])
				i += 2
				from = i + 1
			}
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = appendEscape(dst, c)
		from = i + 1
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
	}
}

// trimSpace cuts JSON's white space off both ends.
func trimSpace(p []byte) []byte {
	for len(p) > 0 && isSpace(p[0]) {
		p = p[1:]
	}
	for len(p) > 0 && isSpace(p[len(p)-1]) {
		p = p[:len(p)-1]
	}
	return p
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
