package driver

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// DecodeEnvelope reads a task from its JSON form. The task is valid (see
// [Task.Validate]) and shares nothing with data. Every error wraps [ErrInvalidTask] and
// says what is wrong, and at which byte.
//
// It accepts the output of [AppendEnvelope] and of other programs that follow the schema:
// any order of keys, white space, any escapes, any time zone. Unknown keys are skipped,
// so that version 1 can grow. It refuses a newer version, a key that occurs twice, null,
// a fraction where a whole number is required, half a surrogate pair, JSON nested deeper
// than 10,000 levels and anything after the envelope.
//
// The strings and the payload of the task are parts of one copy of data, which lives as
// long as any of them. The caller may change the payload.
func DecodeEnvelope(data []byte) (*Task, error) {
	if !utf8.Valid(data) {
		return nil, invalid("envelope: it is not valid UTF-8")
	}
	// One copy serves every string and the payload. That is safe although strings must
	// never change: the parts do not overlap, the capacity of the payload ends with it,
	// and nothing else refers to the copy.
	d := decoder{scanner: scanner{buf: bytes.Clone(data)}, t: new(Task)}
	if err := d.envelope(); err != nil {
		return nil, invalid("envelope: %w", err)
	}
	if err := d.t.validFields(); err != nil {
		return nil, err
	}
	return d.t, nil
}

type decoder struct {
	scanner
	t       *Task
	seen    uint32 // the keys that have occurred, a bit for each
	version int
	payload []byte // as in the envelope
}

// The keys of an envelope, in the order in which they are written.
const (
	keyVersion = 1 << iota
	keyID
	keyType
	keyQueue
	keyPayload
	keyEncoding
	keyPriority
	keyGroupKey
	keyUniqueKey
	keyUniqueFor
	keyMetadata
	keyCreatedAt
	keyScheduledFor
	keyMaxRetries
	keyRetryCount
	keyTimeout
	keySchemaVersion
	keyShape
)

func (d *decoder) envelope() error {
	if d.peek() != '{' {
		return d.unexpected("an object")
	}
	d.pos++
	if d.peek() == '}' {
		d.pos++
	} else if err := d.members(d.member); err != nil {
		return err
	}
	if d.peek(); d.pos < len(d.buf) {
		return d.unexpected("the end of the envelope")
	}
	return d.finish()
}

// members reads the members of an object with at least one, up to its end. It calls read
// at the start of each value.
func (d *decoder) members(read func(key string) error) error {
	for {
		key, err := d.text()
		if err != nil {
			return err
		}
		if err := d.colon(); err != nil {
			return err
		}
		if err := read(key); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		switch d.peek() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return nil
		default:
			return d.unexpected("a comma or the end of the object")
		}
	}
}

// member reads the value of one key of the envelope.
func (d *decoder) member(key string) error {
	t := d.t
	switch key {
	case "v":
		return d.envelopeVersion()
	case "id":
		return d.string(keyID, &t.ID)
	case "type":
		return d.string(keyType, &t.Type)
	case "queue":
		return d.string(keyQueue, &t.Queue)
	case "payload":
		return d.rawPayload()
	case "encoding":
		return d.string(keyEncoding, &t.Encoding)
	case "priority":
		return d.integer(keyPriority, &t.Priority)
	case "group_key":
		return d.string(keyGroupKey, &t.GroupKey)
	case "unique_key":
		return d.string(keyUniqueKey, &t.UniqueKey)
	case "unique_for_ms":
		return d.duration(keyUniqueFor, &t.UniqueFor)
	case "metadata":
		return d.metadata()
	case "created_at":
		return d.time(keyCreatedAt, &t.CreatedAt)
	case "scheduled_for":
		return d.time(keyScheduledFor, &t.ScheduledFor)
	case "max_retries":
		return d.integer(keyMaxRetries, &t.MaxRetries)
	case "retry_count":
		return d.integer(keyRetryCount, &t.RetryCount)
	case "timeout_ms":
		return d.duration(keyTimeout, &t.Timeout)
	case "schema_version":
		return d.integer(keySchemaVersion, &t.SchemaVersion)
	case "shape":
		return d.string(keyShape, &t.Shape)
	default:
		return d.value(1)
	}
}

// finish checks the task and decodes the payload, once its encoding is known.
func (d *decoder) finish() error {
	switch {
	case d.seen&keyVersion == 0:
		return errors.New(`there is no "v", the version of the envelope`)
	case d.seen&keyPayload == 0:
		return errors.New(`there is no "payload"`)
	}
	d.t.Payload = d.payload
	if d.t.Encoding != "" {
		s := scanner{buf: d.payload}
		text, err := s.text()
		if err != nil {
			return fmt.Errorf(`"payload": with the encoding %q it must be a base64 string`, d.t.Encoding)
		}
		if d.t.Payload, err = base64.StdEncoding.DecodeString(text); err != nil {
			return fmt.Errorf(`"payload": %w`, err)
		}
	}
	return nil
}

// once notes that a key occurs, and fails if it has occurred before: readers could differ
// on which of the two values counts.
func (d *decoder) once(key uint32) error {
	if d.seen&key != 0 {
		return d.fail("the key occurs twice")
	}
	d.seen |= key
	return nil
}

func (d *decoder) envelopeVersion() error {
	if err := d.integer(keyVersion, &d.version); err != nil {
		return err
	}
	switch {
	case d.version > EnvelopeVersion:
		return fmt.Errorf("envelope version %d, this build reads %d: update the program that reads it", d.version, EnvelopeVersion)
	case d.version < EnvelopeVersion:
		return d.fail("there is no envelope version %d", d.version)
	}
	return nil
}

func (d *decoder) rawPayload() error {
	if err := d.once(keyPayload); err != nil {
		return err
	}
	d.peek()
	start := d.pos
	if err := d.value(0); err != nil {
		return err
	}
	d.payload = d.buf[start:d.pos:d.pos]
	return nil
}

func (d *decoder) string(key uint32, to *string) (err error) {
	if err = d.once(key); err == nil {
		*to, err = d.text()
	}
	return err
}

func (d *decoder) integer(key uint32, to *int) error {
	if err := d.once(key); err != nil {
		return err
	}
	n, err := d.wholeNumber(strconv.IntSize)
	*to = int(n)
	return err
}

func (d *decoder) duration(key uint32, to *time.Duration) error {
	if err := d.once(key); err != nil {
		return err
	}
	ms, err := d.wholeNumber(64)
	if err != nil {
		return err
	}
	if ms < 0 || ms > maxMilliseconds {
		return d.fail("%d ms is out of range (0 to %d)", ms, maxMilliseconds)
	}
	*to = time.Duration(ms) * time.Millisecond
	return nil
}

func (d *decoder) wholeNumber(bits int) (int64, error) {
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, d.unexpected("a whole number")
	}
	raw, err := d.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(raw), len(raw)), 10, bits)
	if err != nil {
		return 0, d.fail("%.40s is not a whole number of %d bits", raw, bits)
	}
	return n, nil
}

func (d *decoder) time(key uint32, to *time.Time) error {
	var text string
	if err := d.string(key, &text); err != nil {
		return err
	}
	// UnmarshalText is stricter than time.Parse: it takes RFC 3339 and no more.
	if err := to.UnmarshalText(unsafe.Slice(unsafe.StringData(text), len(text))); err != nil {
		return d.fail("%.40q is not a time of RFC 3339", text)
	}
	*to = to.UTC()
	return nil
}

func (d *decoder) metadata() error {
	if err := d.once(keyMetadata); err != nil {
		return err
	}
	if d.peek() != '{' {
		return d.unexpected("an object")
	}
	d.pos++
	if d.peek() == '}' {
		d.pos++
		return nil
	}
	meta := make(map[string]string)
	d.t.Metadata = meta
	return d.members(func(key string) error {
		if _, twice := meta[key]; twice {
			return d.fail("the key occurs twice")
		}
		value, err := d.text()
		meta[key] = value
		return err
	})
}
