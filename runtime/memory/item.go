package memory

import (
	"maps"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

type state uint8

const (
	gone state = iota // a free slot
	ready
	scheduled
	leased
)

// An item is one stored task and its position.
type item struct {
	task driver.Task

	state   state
	holds   bool // its unique key
	begun   bool // it was handed out before
	crashes int
	ended   []uint64 // tokens of the newest leases that were counted as crashes
	due     time.Duration
	seq     uint64 // its place: raised when it arrives and when it joins a line
	token   uint64 // of the lease, while it is leased
	slot    uint32 // where the slab keeps it

	at         time.Duration // its time in the timeQueue that it is in
	prev, next *item         // there
	pos        int           // in the heap there, or notInHeap

	gprev, gnext *item // in its group
	group        *group
	nextSameID   *item // another one with the same ID, on a dead letter queue
}

func (it *item) before(other *item) bool {
	return it.at < other.at || it.at == other.at && it.seq < other.seq
}

// mostEnded bounds the ended leases that are kept per task, in case their workers report
// that they did not crash.
const mostEnded = 64

// crash counts the end of a lease without an outcome.
func (it *item) crash() {
	it.crashes++
	if len(it.ended) == mostEnded {
		it.ended = it.ended[1:]
	}
	it.ended = append(it.ended, it.token)
}

// uncrash takes back the crash that the end of a lease was counted as, once.
func (it *item) uncrash(token uint64) {
	if i := slices.Index(it.ended, token); i >= 0 {
		it.ended = slices.Delete(it.ended, i, i+1)
		it.crashes--
	}
}

// add stores a task with a slot and an entry for its ID. The task is not in line yet.
// Only a dead letter queue takes an ID that it already has.
func (s *queueState) add(t driver.Task) *item { return s.addAt(s.ids.find(t.ID), t) }

// addAt is add where the slot of the task's ID is known.
func (s *queueState) addAt(p idSlot, t driver.Task) *item {
	it := s.items.alloc()
	s.seq++
	it.task, it.seq = t, s.seq
	s.ids.put(p, it)
	return it
}

// makeReady puts an item at the end of its line, and of its group on a FIFO queue: it is
// due from now on.
func (s *queueState) makeReady(it *item) {
	s.seq++
	it.seq, it.state = s.seq, ready
	s.lines[s.level(it)].push(it.due, it)
	s.ready++
	if s.kind == driver.FIFO {
		s.addToGroup(it, it.task.GroupKey)
		s.updateTurn(it.group)
	}
}

// makeReadyInPlace makes an item ready at its previous place.
func (s *queueState) makeReadyInPlace(it *item) {
	it.state = ready
	s.lines[s.level(it)].push(it.due, it)
	s.ready++
	if s.kind == driver.FIFO {
		s.updateTurn(it.group)
	}
}

// promote makes a scheduled task ready. A task in a group keeps its place: on a FIFO
// queue it has blocked the group since it was first handed out.
func (s *queueState) promote(it *item) {
	if it.group != nil {
		s.makeReadyInPlace(it)
		return
	}
	s.makeReady(it)
}

// makeDue makes a task that is not in line due at the given time.
func (s *queueState) makeDue(it *item, due time.Duration) {
	it.due = max(due, s.now)
	if due <= s.now {
		s.promote(it)
		return
	}
	it.state = scheduled
	s.scheduled.push(due, it)
	if s.kind == driver.FIFO && it.group != nil {
		s.updateTurn(it.group)
	}
}

// detach takes an item out of its line or heap, not out of its group.
func (s *queueState) detach(it *item) {
	switch it.state {
	case ready:
		s.lines[s.level(it)].remove(it)
		s.ready--
	case scheduled:
		s.scheduled.remove(it)
	case leased:
		s.leased.remove(it)
	}
}

// drop removes a task, whatever its state, and frees its unique key unless a window holds
// it.
func (s *queueState) drop(it *item) {
	s.detach(it)
	it.state = gone
	if it.group != nil {
		s.removeFromGroup(it)
	}
	s.keys.release(it)
	s.ids.remove(it)
	s.items.free(it)
}

// level is the line of an item. A dead letter queue has one line, whatever the priority
// of its tasks.
func (s *queueState) level(it *item) int {
	if s.kind == driver.Priority {
		return it.task.Priority
	}
	return 0
}

// clock time of a distance from base.
func (s *queueState) at(d time.Duration) time.Time { return s.base.Add(d) }

// restore writes what a worker may change in a delivery back into the task.
func (it *item) restore(t *driver.Task) {
	it.task.RetryCount = t.RetryCount
	it.task.Metadata = maps.Clone(t.Metadata)
}
