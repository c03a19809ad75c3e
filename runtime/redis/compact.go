package redis

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A compact value holds a task like an envelope, in less space: without the task's ID,
// which is the field of the hash, and the queue, which is its key. It is
//
//	mark, which fields there are (a bit for each), type, the fields, payload
//
// where a number is an unsigned varint, a text its length and its bytes, a time a
// varint of Unix nanoseconds, and the payload the rest. Released and dead tasks are
// envelopes again.

// compactMark begins a compact value, and no envelope.
const compactMark = '\x01'

// maxMilliseconds is the longest stored duration, as in an envelope.
const maxMilliseconds = math.MaxInt64 / int64(time.Millisecond)

// The fields, in order.
const (
	hasEncoding = 1 << iota
	hasPriority
	hasGroupKey
	hasUniqueKey
	hasUniqueFor
	hasMetadata
	hasCreatedAt
	hasScheduledFor
	hasMaxRetries
	hasRetryCount
	hasTimeout
	hasSchemaVersion
	compactFields = 1<<iota - 1
)

// appendTask appends the stored form of a valid task: its envelope, or a compact value.
func (p *Provider) appendTask(dst []byte, t *driver.Task) []byte {
	if !p.compact || !inNanoseconds(t.CreatedAt) || !inNanoseconds(t.ScheduledFor) {
		return driver.AppendEnvelope(dst, t)
	}
	return appendCompact(dst, t)
}

// inNanoseconds reports whether a time is zero or can be counted in nanoseconds since
// 1970.
func inNanoseconds(t time.Time) bool {
	return t.IsZero() || t.Year() > 1678 && t.Year() < 2262
}

func appendCompact(dst []byte, t *driver.Task) []byte {
	fields := uint64(0)
	for i, has := range [...]bool{
		t.Encoding != "", t.Priority != 0, t.GroupKey != "", t.UniqueKey != "", t.UniqueFor != 0, len(t.Metadata) > 0,
		!t.CreatedAt.IsZero(), !t.ScheduledFor.IsZero(), t.MaxRetries != 0, t.RetryCount != 0, t.Timeout != 0, t.SchemaVersion != 0,
	} {
		if has {
			fields |= 1 << i
		}
	}
	text := func(s string) { dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...) }
	number := func(field uint64, n int64) {
		if fields&field != 0 {
			dst = binary.AppendUvarint(dst, uint64(n))
		}
	}
	dst = binary.AppendUvarint(append(dst, compactMark), fields)
	text(t.Type)
	if t.Encoding != "" {
		text(t.Encoding)
	}
	number(hasPriority, int64(t.Priority))
	if t.GroupKey != "" {
		text(t.GroupKey)
	}
	if t.UniqueKey != "" {
		text(t.UniqueKey)
	}
	number(hasUniqueFor, min(durationMillis(t.UniqueFor), maxMilliseconds))
	if len(t.Metadata) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(t.Metadata)))
		for _, key := range slices.Sorted(maps.Keys(t.Metadata)) {
			text(key)
			text(t.Metadata[key])
		}
	}
	for _, at := range [...]time.Time{t.CreatedAt, t.ScheduledFor} {
		if !at.IsZero() {
			dst = binary.AppendVarint(dst, at.UnixNano())
		}
	}
	number(hasMaxRetries, int64(t.MaxRetries))
	number(hasRetryCount, int64(t.RetryCount))
	number(hasTimeout, min(durationMillis(t.Timeout), maxMilliseconds))
	number(hasSchemaVersion, int64(t.SchemaVersion))
	if t.Encoding == "" {
		return append(dst, bytes.Trim(t.Payload, " \t\r\n")...)
	}
	return append(dst, t.Payload...)
}

// decodeTask reads the stored form of a task with an ID on a queue. Every error wraps
// [driver.ErrInvalidTask].
func decodeTask(value, id, queue string) (*driver.Task, error) {
	if value == "" || value[0] != compactMark {
		return driver.DecodeEnvelope(bytesOf(value))
	}
	r := compactReader{rest: value[1:]}
	r.fields = r.uvarint()
	t := &driver.Task{ID: id, Queue: queue, Type: r.text()}
	if r.has(hasEncoding) {
		t.Encoding = r.text()
	}
	t.Priority = r.count(hasPriority)
	if r.has(hasGroupKey) {
		t.GroupKey = r.text()
	}
	if r.has(hasUniqueKey) {
		t.UniqueKey = r.text()
	}
	t.UniqueFor = r.milliseconds(hasUniqueFor)
	if r.has(hasMetadata) {
		t.Metadata = r.texts()
	}
	t.CreatedAt = r.time(hasCreatedAt)
	t.ScheduledFor = r.time(hasScheduledFor)
	t.MaxRetries = r.count(hasMaxRetries)
	t.RetryCount = r.count(hasRetryCount)
	t.Timeout = r.milliseconds(hasTimeout)
	t.SchemaVersion = r.count(hasSchemaVersion)
	t.Payload = []byte(r.rest)
	if r.bad || r.fields > compactFields {
		return nil, fmt.Errorf("%w: its stored form is truncated, or of a newer version", driver.ErrInvalidTask)
	}
	return t, t.Validate()
}

// A compactReader reads a compact value from its beginning.
type compactReader struct {
	rest   string
	fields uint64
	bad    bool // the value was too short
}

func (r *compactReader) has(field uint64) bool { return !r.bad && r.fields&field != 0 }

func (r *compactReader) took(n int) {
	if n <= 0 {
		r.bad, n = true, 0
	}
	r.rest = r.rest[n:]
}

func (r *compactReader) uvarint() uint64 {
	v, n := binary.Uvarint(bytesOf(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	r.took(n)
	return v
}

func (r *compactReader) text() string {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *compactReader) texts() map[string]string {
	n := r.uvarint()
	if n == 0 {
		return nil
	}
	texts := make(map[string]string, min(n, 64))
	for ; n > 0 && !r.bad; n-- {
		key := r.text()
		texts[key] = r.text()
	}
	return texts
}

func (r *compactReader) number(field, most uint64) uint64 {
	if !r.has(field) {
		return 0
	}
	v := r.uvarint()
	r.bad = r.bad || v > most
	return v
}

func (r *compactReader) count(field uint64) int { return int(r.number(field, math.MaxInt)) }

func (r *compactReader) milliseconds(field uint64) time.Duration {
	return time.Duration(r.number(field, uint64(maxMilliseconds))) * time.Millisecond
}

func (r *compactReader) time(field uint64) time.Time {
	if !r.has(field) {
		return time.Time{}
	}
	v, n := binary.Varint(bytesOf(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	r.took(n)
	return time.Unix(0, v).UTC()
}
