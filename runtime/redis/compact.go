package redis

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A compact value holds a task like an envelope, in less space: without the task's ID,
// which is the field of the hash, and the queue, which is its key. It is
//
//	mark, which fields there are (a bit for each), type, the fields, payload
//
// where a number is an unsigned varint, a text its length and its bytes, a duration twice
// its milliseconds or twice its seconds and one, a time a varint of Unix nanoseconds, and
// the payload the rest. Released and dead tasks are envelopes again.
//
// A version that does not know a field cannot read the fields behind it, and buries the task.
// What was added to a task since there are compact values is therefore in its metadata.

// metaShape is the shape of a task in the metadata of its compact value. In a version without
// shapes it stays there when the task is released, so that the envelope of one may have it, too.
const metaShape = "taskgen.shape"

// compactMark begins a compact value, and no envelope. Another mark, \x01, began a form whose
// fields stood in another order: neither may be read as the other.
const compactMark = '\x02'

// maxMilliseconds is the longest stored duration, as in an envelope.
const maxMilliseconds = math.MaxInt64 / int64(time.Millisecond)

// The fields, in order. Those of most tasks are the first seven, whose bits take one byte.
const (
	hasCreatedSinceID = 1 << iota // a varint of nanoseconds since the time in the task's ID
	hasMaxRetries
	hasTimeout
	hasSchemaVersion
	hasMetadata
	hasScheduledFor
	hasUniqueKey
	hasUniqueFor
	hasGroupKey
	hasPriority
	hasEncoding
	hasCreatedAt
	hasRetryCount
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
	since, near := sinceID(t)
	metadata := len(t.Metadata)
	if t.Shape != "" {
		metadata++
	}
	fields := uint64(0)
	for i, has := range [...]bool{
		near, t.MaxRetries != 0, t.Timeout != 0, t.SchemaVersion != 0, metadata > 0, !t.ScheduledFor.IsZero(), t.UniqueKey != "",
		t.UniqueFor != 0, t.GroupKey != "", t.Priority != 0, t.Encoding != "", !near && !t.CreatedAt.IsZero(), t.RetryCount != 0,
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
	if near {
		dst = binary.AppendVarint(dst, since)
	}
	number(hasMaxRetries, int64(t.MaxRetries))
	number(hasTimeout, compactDuration(t.Timeout))
	number(hasSchemaVersion, int64(t.SchemaVersion))
	if metadata > 0 {
		dst = binary.AppendUvarint(dst, uint64(metadata))
		if t.Shape != "" {
			text(metaShape)
			text(t.Shape)
		}
		for _, key := range slices.Sorted(maps.Keys(t.Metadata)) {
			text(key)
			text(t.Metadata[key])
		}
	}
	if !t.ScheduledFor.IsZero() {
		dst = binary.AppendVarint(dst, t.ScheduledFor.UnixNano())
	}
	if t.UniqueKey != "" {
		text(t.UniqueKey)
	}
	number(hasUniqueFor, compactDuration(t.UniqueFor))
	if t.GroupKey != "" {
		text(t.GroupKey)
	}
	number(hasPriority, int64(t.Priority))
	if t.Encoding != "" {
		text(t.Encoding)
	}
	if fields&hasCreatedAt != 0 {
		dst = binary.AppendVarint(dst, t.CreatedAt.UnixNano())
	}
	number(hasRetryCount, int64(t.RetryCount))
	if t.Encoding == "" {
		return append(dst, bytes.Trim(t.Payload, " \t\r\n")...)
	}
	return append(dst, t.Payload...)
}

// compactDuration is a duration as a number: most are of whole seconds.
func compactDuration(d time.Duration) int64 {
	ms := min(durationMillis(d), maxMilliseconds)
	if ms%1000 == 0 {
		return ms/1000<<1 | 1
	}
	return ms << 1
}

// sinceID is how many nanoseconds after the time in its ID a task was created. It is not near
// if the ID holds no time, or the task was created a second or more before or after.
func sinceID(t *driver.Task) (nanoseconds int64, near bool) {
	const far = int64(time.Second)
	at, ok := timeOfID(t.ID)
	if !ok || t.CreatedAt.IsZero() {
		return 0, false
	}
	nanoseconds = t.CreatedAt.UnixNano() - at
	return nanoseconds, nanoseconds > -far && nanoseconds < far
}

// timeOfID is the time in an ID that the runtime has made, a UUID of version 7, in Unix
// nanoseconds.
func timeOfID(id string) (nanoseconds int64, ok bool) {
	const (
		length = 36   // of the usual form; Parse takes others
		year   = 2262 // the first that is too far away for nanoseconds
	)
	u, err := uuid.Parse(id)
	if err != nil || len(id) != length || u.Version() != 7 {
		return 0, false
	}
	ms := int64(u[0])<<40 | int64(u[1])<<32 | int64(u[2])<<24 | int64(u[3])<<16 | int64(u[4])<<8 | int64(u[5])
	return ms * int64(time.Millisecond), time.UnixMilli(ms).UTC().Year() < year
}

// decodeTask reads the stored form of a task with an ID on a queue. Every error wraps
// [driver.ErrInvalidTask].
func decodeTask(value, id, queue string) (*driver.Task, error) {
	if value == "" || value[0] != compactMark {
		t, err := driver.DecodeEnvelope(bytesOf(value))
		if err == nil {
			takeShape(t)
		}
		return t, err
	}
	r := compactReader{rest: value[1:]}
	r.fields = r.uvarint()
	t := &driver.Task{ID: id, Queue: queue, Type: r.text()}
	if r.has(hasCreatedSinceID) {
		at, ok := timeOfID(id)
		t.CreatedAt = time.Unix(0, at+r.varint()).UTC()
		r.bad = r.bad || !ok
	}
	t.MaxRetries = r.count(hasMaxRetries)
	t.Timeout = r.duration(hasTimeout)
	t.SchemaVersion = r.count(hasSchemaVersion)
	if r.has(hasMetadata) {
		t.Metadata = r.texts()
	}
	t.ScheduledFor = r.time(hasScheduledFor)
	if r.has(hasUniqueKey) {
		t.UniqueKey = r.text()
	}
	t.UniqueFor = r.duration(hasUniqueFor)
	if r.has(hasGroupKey) {
		t.GroupKey = r.text()
	}
	t.Priority = r.count(hasPriority)
	if r.has(hasEncoding) {
		t.Encoding = r.text()
	}
	if r.has(hasCreatedAt) {
		t.CreatedAt = r.time(hasCreatedAt)
	}
	t.RetryCount = r.count(hasRetryCount)
	takeShape(t)
	t.Payload = []byte(r.rest)
	if r.bad || r.fields > compactFields {
		return nil, fmt.Errorf("%w: its stored form is truncated, or of a newer version", driver.ErrInvalidTask)
	}
	return t, t.Validate()
}

// takeShape gives a task the shape that its metadata has.
func takeShape(t *driver.Task) {
	shape, ok := t.Metadata[metaShape]
	if !ok || !driver.ValidShape(shape) {
		return
	}
	if t.Shape == "" {
		t.Shape = shape
	}
	if delete(t.Metadata, metaShape); len(t.Metadata) == 0 {
		t.Metadata = nil
	}
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

func (r *compactReader) duration(field uint64) time.Duration {
	n := r.number(field, uint64(maxMilliseconds)<<1)
	if n&1 == 0 {
		return time.Duration(n>>1) * time.Millisecond
	}
	r.bad = r.bad || n>>1 > uint64(maxMilliseconds)/1000
	return time.Duration(n>>1) * time.Second
}

func (r *compactReader) time(field uint64) time.Time {
	if !r.has(field) {
		return time.Time{}
	}
	return time.Unix(0, r.varint()).UTC()
}

func (r *compactReader) varint() int64 {
	v, n := binary.Varint(bytesOf(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	r.took(n)
	return v
}
