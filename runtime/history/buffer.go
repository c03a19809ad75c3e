package history

import (
	"slices"

	"github.com/taskgen/taskgen/runtime/observe"
)

// A buffer has the records that are not in the store yet. It is not safe for concurrent
// use.
type buffer struct {
	most    int
	ready   []Record                    // in the order in which they are to be written
	spare   []Record                    // the room of ready, while records are written
	writing int                         // how many are being written
	held    map[*observe.Task]heldIndex // of runs whose outcome the queue has not taken yet
	runs    []heldRun
	free    []heldIndex // places in runs, whose texts stay until they are used again
	closed  bool        // everything is dropped
	dropped int64
}

// A heldIndex is a place in buffer.runs: a map of the runs themselves would allocate for
// each.
type heldIndex int32

type heldRun struct {
	record Record
	pool   *observe.Pool
}

func newBuffer(most int) buffer {
	return buffer{most: most, held: make(map[*observe.Task]heldIndex)}
}

// prepare makes room, so that the first tasks are as fast as all others.
func (b *buffer) prepare() {
	if room := min(b.most, 2*batch); cap(b.runs) < room {
		b.ready, b.spare = slices.Grow(b.ready, room), slices.Grow(b.spare, room)
		b.runs = slices.Grow(b.runs, room)
	}
}

// drops reports whether there is no room for a record, and counts it then.
func (b *buffer) drops() bool {
	if !b.closed && len(b.ready)+len(b.held)+b.writing < b.most {
		return false
	}
	b.dropped++
	return true
}

// add queues a record for writing.
func (b *buffer) add(r *Record) {
	if !b.drops() {
		b.ready = append(b.ready, *r)
	}
}

// hold keeps the record of a run until release. The key is the task of the delivery, not
// its ID: a task that was given back may run again before the listener receives that
// event.
func (b *buffer) hold(t *observe.Task, p *observe.Pool, r *Record) {
	if b.drops() {
		return
	}
	var at heldIndex
	if n := len(b.free); n > 0 {
		at, b.free = b.free[n-1], b.free[:n-1]
	} else {
		at = heldIndex(len(b.runs))
		b.runs = append(b.runs, heldRun{})
	}
	b.runs[at] = heldRun{*r, p}
	b.held[t] = at
}

// release queues the record of a run for writing, if it is held.
func (b *buffer) release(t *observe.Task, outcome Outcome) {
	at, ok := b.held[t]
	if !ok {
		return
	}
	delete(b.held, t)
	if r := &b.runs[at].record; b.closed {
		b.dropped++
	} else {
		r.Outcome = outcome
		b.ready = append(b.ready, *r)
	}
	b.free = append(b.free, at)
}

// releasePool queues for writing what is held of a pool that has stopped: a run whose
// lease was lost at the moment it ended.
func (b *buffer) releasePool(p *observe.Pool, outcome Outcome) {
	for t, at := range b.held {
		if b.runs[at].pool == p {
			b.release(t, outcome)
		}
	}
}

// take returns all records that have to be written. They take room until written is
// called for each of them.
func (b *buffer) take() []Record {
	part := b.ready
	b.ready, b.spare = b.spare[:0], nil
	b.writing = len(part)
	return part
}

// written notes that the store has n records of a take.
func (b *buffer) written(n int) { b.writing -= n }

// giveBack ends a take: rest are its records that could not be written.
func (b *buffer) giveBack(all, rest []Record) {
	b.writing = 0
	if len(rest) > 0 && !b.closed {
		b.ready = append(rest[:len(rest):len(rest)], b.ready...)
		return
	}
	b.dropped += int64(len(rest))
	b.spare = all[:0]
}
