package chunklog

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
)

var errBroken = errors.New("taskgen: a part of the history cannot be read: was it changed by something else?")

// Decode returns the records of a chunk's body, in the order in which they were added. The
// error wraps historystore.ErrNewer if a later version has written some of them.
func Decode(body []byte) ([]Record, error) {
	var records []Record
	for len(body) > 0 {
		if len(body) < headSize {
			return nil, errBroken
		}
		size, inRecords := int64(binary.LittleEndian.Uint32(body))+4, int64(binary.LittleEndian.Uint32(body[4:]))
		switch {
		case size < headSize || size > int64(len(body)):
			return nil, errBroken
		case body[8] != version:
			return nil, fmt.Errorf("%w: its form is %d", historystore.ErrNewer, body[8])
		case inRecords > size-headSize:
			return nil, errBroken
		}
		piece := body[headSize:size]
		body = body[size:]
		d := decoder{rest: piece[inRecords:]}
		d.dictionary()
		if d.broken || len(d.rest) > 0 {
			return nil, errBroken
		}
		d.rest = piece[:inRecords]
		if records = d.records(records); d.broken || len(d.rest) > 0 {
			return nil, errBroken
		}
	}
	return records, nil
}

// leastRecord is how many bytes a record takes at least.
const leastRecord = 10

// A decoder reads a piece. Once it is broken, all that it reads is empty.
type decoder struct {
	rest   []byte
	texts  []string
	last   int64
	broken bool
}

func (d *decoder) dictionary() {
	for range d.count() {
		d.texts = append(d.texts, string(d.bytes(d.count())))
	}
}

func (d *decoder) records(records []Record) []Record {
	n := d.count()
	records = slices.Grow(records, min(n, len(d.rest)/leastRecord))
	for range n {
		if r := d.record(); !d.broken {
			records = append(records, r)
		}
	}
	return records
}

func (d *decoder) record() (r Record) {
	flags := d.bytes(1)
	if d.broken {
		return r
	}
	has := func(flag byte) bool { return flags[0]&flag != 0 }
	if has(flagUUID) {
		r.TaskID = d.uuid()
	} else {
		r.TaskID = string(d.bytes(d.count()))
	}
	r.Type, r.Queue, r.Worker, r.Outcome = d.text(), d.text(), d.text(), driver.Outcome(d.text())
	r.Attempt, r.Crashes = int(d.number()), int(d.number())
	r.EndedAt = d.time(&d.last)
	at := d.last
	if has(flagRan) {
		r.StartedAt = d.time(&at)
	}
	if has(flagDue) {
		r.DueAt = d.time(&at)
	}
	r.EnqueuedAt = d.time(&at)
	switch {
	case has(flagHex):
		r.TraceID = hex.EncodeToString(d.bytes(16))
	case has(flagTrace):
		r.TraceID = string(d.bytes(d.count()))
	}
	if has(flagError) {
		r.Error = d.text()
	}
	return r
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads how many of something follow, each of a byte or more.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.rest) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uuid() string {
	if id := d.bytes(16); id != nil {
		return unpackUUID(id)
	}
	return ""
}

func (d *decoder) text() string {
	n := d.number()
	if n >= uint64(len(d.texts)) {
		d.fail()
		return ""
	}
	return d.texts[n]
}

// time reads a time that is given by what is between it and at, and sets at.
func (d *decoder) time(at *int64) time.Time {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return time.Time{}
	}
	d.rest = d.rest[n:]
	*at -= v
	return time.UnixMicro(*at).UTC()
}

func (d *decoder) fail() { d.broken, d.rest = true, nil }

// An extent is what the index of a chunk says of its records.
type extent struct {
	first, last int64 // the bounds of EndedAt, in microseconds
	has         bool  // one of them may be of the task
}

// readIndex reads an index, and looks in it for the mark of a task.
func readIndex(index []byte, want uint16) (x extent, err error) {
	for some := false; len(index) > 0; some = true {
		d := decoder{rest: index}
		n := d.count()
		var first int64
		d.time(&first)
		last := first + int64(d.number())
		marks := d.bytes(2 * n)
		if d.broken {
			return x, errBroken
		}
		if !some || first < x.first {
			x.first = first
		}
		if !some || last > x.last {
			x.last = last
		}
		for i := 0; i < len(marks) && !x.has; i += 2 {
			x.has = binary.LittleEndian.Uint16(marks[i:]) == want
		}
		index = d.rest
	}
	return x, nil
}
