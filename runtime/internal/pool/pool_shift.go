package pool

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A shift is one working period of a pool, from Start to Stop: its workers, and
// a lane for each queue with a fetcher, a keeper and an acker.
//
// One mutex guards what they share. It is held for some tens of nanoseconds a
// task and never across a call to a queue or a handler.
type shift struct {
	p       *Pool
	routing *routing        // the router as it was when the shift began
	base    context.Context // values for handlers; never ends
	began   time.Time
	many    throttle // of what is logged of failures
	lanes   []*lane
	gates   map[string]*gate // by task type, aliases included

	mu       sync.Mutex
	active   []*lane          // those with tasks, or that wait for room: of very many queues most are idle
	work     sync.Cond        // workers wait for tasks
	settled  sync.Cond        // taken is 0
	parked   int              // workers that wait
	busy     []time.Time      // when the run began in each place for one; zero: none is there
	places   []int            // of busy that are free
	freed    time.Time        // when a worker last became free
	ahead    bool             // tasks are fetched ahead: what workers are too busy for goes back
	taken    int              // items of all lanes that are not settled
	suspect  *driver.Delivery // the one that the pool holds, if it holds one
	since    time.Time        // when it came
	runs     int              // handlers that were run
	stopping bool             // nothing more begins
	draining bool             // all workers are done: ackers finish and leave
	pass     float64          // the weighted choice's present
	round    int
	news     []news // log records of what happened under mu
	alarm    *time.Timer
	alarmAt  time.Time

	stopFetch  context.CancelFunc
	fetching   context.Context
	fetchers   sync.WaitGroup
	workers    sync.WaitGroup
	ackers     sync.WaitGroup
	keepers    sync.WaitGroup
	receives   sync.WaitGroup // that go on behind a Dequeue
	stopKeeper context.CancelFunc

	once sync.Once
	over chan struct{}
}

func newShift(ctx context.Context, p *Pool) *shift {
	s := &shift{p: p, routing: p.routing, base: context.WithoutCancel(ctx), began: time.Now(), over: make(chan struct{})}
	s.work.L, s.settled.L = &s.mu, &s.mu
	s.many.log = p.logger
	s.fetching, s.stopFetch = context.WithCancel(s.base)
	s.gates = typeGates(s.routing)
	s.busy, s.freed = make([]time.Time, p.cfg.Workers), s.began
	for i := range s.busy {
		s.places = append(s.places, i)
	}
	for i, q := range p.queues {
		s.lanes = append(s.lanes, s.newLane(q, p.cfg.Queues[i]))
	}
	keeping, stopKeeper := context.WithCancel(s.base)
	s.stopKeeper = stopKeeper
	for _, l := range s.lanes {
		s.ackers.Go(l.ackAll)
		s.keepers.Go(func() { l.keep(keeping) })
	}
	for range p.cfg.Workers {
		s.workers.Go((&worker{s: s}).loop)
	}
	return s
}

func (s *shift) newLane(q driver.Queue, pq Share) *lane {
	cfg, can := q.Config(), q.Capabilities()
	l := &lane{
		s: s, queue: q, cfg: cfg, name: pq.Name, lease: cfg.Visibility, keeper: make(chan struct{}, 1),
		freeLeases: can.FreeLeases, fenced: can.FreeLeases && can.Fencing, charges: can.CrashIsAttempt, keeps: can.KeepsReleased,
		exactReady: can.ExactReady,
		share:      1 / float64(max(pq.Weight, 1)),
		gate:       newGate(pq.Concurrency, pq.Rate),
	}
	l.alarm = s.p.host.Clock.AfterFunc(l.keepEvery(), l.wakeKeeper)
	batch := 0
	if can.PaidTrips {
		batch = max(can.MaxBatch, 1)
	}
	l.fetcher.init(len(s.p.queues), s.p.cfg.Workers, batch)
	l.acker.init(cfg, batch)
	for _, rt := range s.routing.routes {
		if rt.policy.Queue != pq.Name {
			continue
		}
		g := s.gates[rt.policy.Type]
		if g == nil {
			l.types = nil
			break
		}
		if !slices.Contains(l.types, g) {
			l.types = append(l.types, g)
		}
	}
	return l
}

// typeGates makes the gates of the types that have limits.
func typeGates(r *routing) map[string]*gate {
	gates := make(map[string]*gate)
	made := make(map[*route]*gate)
	for name, rt := range r.routes {
		if !rt.policy.limited() {
			continue
		}
		if made[rt] == nil {
			made[rt] = newGate(rt.policy.Concurrency, rt.policy.Rate)
		}
		gates[name] = made[rt]
	}
	return gates
}

func (s *shift) typeGate(taskType string) *gate {
	if !s.routing.limits {
		return nil
	}
	return s.gates[taskType]
}

func (s *shift) fetch() {
	s.mu.Lock()
	s.ahead = true
	for _, l := range s.lanes {
		l.fetcher.asked = time.Now() // all at once, so that none seems empty
	}
	s.mu.Unlock()
	for _, l := range s.lanes {
		s.fetchers.Go(l.fetchAll)
	}
}

func (s *shift) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

func (s *shift) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// stop ends the shift, and waits for that until ctx ends.
func (s *shift) stop(ctx context.Context, grace time.Duration) error {
	s.end(grace)
	select {
	case <-s.over:
		return nil
	case <-ctx.Done():
	}
	if s.isOver() {
		return nil
	}
	return fmt.Errorf("stop the pool: %w; %s", context.Cause(ctx), s.unfinished())
}

// end begins the end of the shift, once.
func (s *shift) end(grace time.Duration) {
	s.once.Do(func() {
		s.mu.Lock()
		s.stopping = true
		s.mu.Unlock()
		go s.windDown(grace)
	})
}

// windDown is the order of stopping.
func (s *shift) windDown(grace time.Duration) {
	s.stopFetch()
	s.mu.Lock()
	for _, l := range s.lanes {
		l.giveAllBack()
		l.acker.kick()
	}
	if s.alarm != nil {
		s.alarm.Stop()
	}
	s.work.Broadcast()
	s.mu.Unlock()

	late := make(chan struct{})
	cancel := time.AfterFunc(grace, func() {
		s.cancelRuns(driver.ErrStopping)
		close(late)
	})
	defer cancel.Stop()
	s.fetchers.Wait() // what they still bring is released by insert
	s.workers.Wait()

	s.mu.Lock()
	s.draining = true
	for _, l := range s.lanes {
		l.acker.kick()
	}
	s.mu.Unlock()
	s.ackers.Wait()
	s.stopKeeper()
	s.keepers.Wait()
	s.awaitBehind(late)
	s.logStop()
	close(s.over)
}

// cancelRuns ends the contexts of all handlers that run.
func (s *shift) cancelRuns(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachRunning(func(it *item) { it.ctx.cancel(cause) })
}

func (s *shift) eachRunning(f func(*item)) {
	for _, l := range s.lanes {
		for _, b := range l.open {
			for i := range b.items {
				if it := &b.items[i]; it.state == running {
					f(it)
				}
			}
		}
	}
}

// unfinished names what keeps the shift from ending.
func (s *shift) unfinished() string {
	const shown = 10
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	n := 0
	s.eachRunning(func(it *item) {
		if n++; n <= shown {
			names = append(names, fmt.Sprintf("%s (%s on %s)", it.d.Task.ID, it.d.Task.Type, it.lane().name))
		}
	})
	if n == 0 {
		return fmt.Sprintf("tasks not settled with their queue yet: %d", s.taken)
	}
	if n > shown {
		names = append(names, fmt.Sprintf("and %d more", n-shown))
	}
	return fmt.Sprintf("handlers still running (%d): %s", n, strings.Join(names, ", "))
}
