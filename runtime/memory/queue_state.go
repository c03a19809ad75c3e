package memory

import (
	"container/list"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// lateness bounds how long after its time a task reaches a waiting Dequeue on a machine
// that is not starved: the precision of a timer and a goroutine switch, with a margin.
const lateness = 25 * time.Millisecond

// A queueState holds the tasks of one named queue. One lock guards it and is taken once per
// batch. When two locks are held, the queue's was taken before that of its dead letter
// queue.
type queueState struct {
	name  string
	kind  driver.QueueType
	clock driver.Clock
	base  time.Time   // see Provider
	dead  *queueState // the dead letter queue; nil if this is one

	mu    sync.Mutex
	items slab
	ids   idTable
	keys  keyTable
	seq   uint64 // the last place in line that was assigned
	token uint64 // the last lease token that was assigned

	now  time.Duration // since base; set by advance
	time time.Time     // now on the clock

	lines     []timeQueue // of the ready tasks, one for each level
	ready     int         // tasks on the lines
	scheduled timeQueue   // by when they become due
	leased    timeQueue   // by when their leases end
	paused    bool
	pauseEnd  time.Duration // when the pause ends; never: with Resume

	// groups are the ordering groups of a FIFO queue, by key, and on a dead
	// letter queue the dead of each queue of origin, by its name.
	groups     map[string]*group
	groupPeak  peak
	groupTurns groupTurns // groups whose first task is ready, in turn; FIFO only

	waiters  list.List // of *waiter: each a Dequeue without work
	promised int       // tasks that woken waiters may take
	timer    driver.Timer
	armed    time.Duration // when timer fires; never when it is not set
	trimAt   time.Duration // when to look for unused memory; never without any
	stopped  bool          // the provider is closed
}

// never is later than any time.
const never = time.Duration(1<<63 - 1)

// later is the time that comes d after now, but no later than never. d is not
// negative; now is where the clock was set back to before the provider was made.
func later(now, d time.Duration) time.Duration {
	if at := now + d; at >= now {
		return at
	}
	return never
}

func newQueueState(p *Provider, name string, kind driver.QueueType, levels int, dead *queueState) *queueState {
	s := &queueState{
		name: name, kind: kind, clock: p.clock, base: p.base, dead: dead,
		lines: make([]timeQueue, levels), groups: make(map[string]*group), armed: never, trimAt: never,
		// A receipt of one queue is not valid on another, because each counts from a
		// different start.
		token: rand.Uint64(),
	}
	s.ids = newIDTable(&s.items)
	return s
}

// advance makes due tasks and tasks with expired leases ready, frees unique keys whose
// window is over, and ends a pause. Every operation calls it first, so that the order of the lines
// is the order of the due times.
func (s *queueState) advance() {
	s.time = s.clock.Now()
	s.now = s.time.Sub(s.base)
	for it := s.scheduled.pop(s.now); it != nil; it = s.scheduled.pop(s.now) {
		s.promote(it)
	}
	for it := s.leased.pop(s.now); it != nil; it = s.leased.pop(s.now) {
		it.crash()
		s.makeReadyInPlace(it)
	}
	s.keys.expire(s.now)
	if s.paused && s.pauseEnd <= s.now {
		s.paused = false
	}
	if s.trimAt <= s.now {
		s.trimAt = never
		s.trim()
	}
}

// leave ends an operation: it wakes as many waiters as there is work for, sets the timer
// for the others, and unlocks.
func (s *queueState) leave() {
	s.wakeWaiters()
	if s.trimAt == never && s.wasteful() {
		s.trimAt = s.now + trimAfter
	}
	s.arm()
	s.mu.Unlock()
}

// arm sets the timer to when advance will have something to do. Due tasks matter only to
// waiters: without any, the next operation advances the queueState. A timer that fires too
// soon does no harm, so a set timer is moved only to an earlier time.
func (s *queueState) arm() {
	next := s.trimAt
	if s.waiters.Len() > 0 {
		next = min(next, s.scheduled.next(), s.leased.next(), s.keys.windows.next())
		if s.paused {
			next = min(next, s.pauseEnd)
		}
	}
	if next >= s.armed || s.stopped {
		return
	}
	s.armed = next
	if s.timer == nil {
		s.timer = s.clock.AfterFunc(next-s.now, s.tick)
	} else {
		s.timer.Reset(next - s.now)
	}
	// s.now is a moment old, and the clock may have jumped since: a machine wakes from
	// sleep, a test moves the time.
	if s.clock.Now().Sub(s.base) >= next {
		s.timer.Reset(0)
	}
}

func (s *queueState) tick() {
	s.mu.Lock()
	s.armed = never
	s.advance()
	s.leave()
}

// stop ends the timer of a store that nobody will use again.
func (s *queueState) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// available is how many tasks a Dequeue would get.
func (s *queueState) available() int {
	switch {
	case s.paused:
		return 0
	case s.kind == driver.FIFO:
		return s.groupTurns.n
	default:
		return s.ready
	}
}
