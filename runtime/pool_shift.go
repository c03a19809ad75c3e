package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A shift is one working period of a pool, from Start to Stop: its workers, and
// a lane for each queue with a fetcher, a keeper and an acker.
//
// One mutex guards what they share. It is held for some tens of nanoseconds a
// task and never across a call to a queue or a handler.
type shift struct {
	p     *Pool
	base  context.Context // values for handlers; never ends
	lanes []*lane
	gates map[string]*gate // by task type, aliases included

	mu       sync.Mutex
	work     sync.Cond // workers wait for tasks
	settled  sync.Cond // taken is 0
	parked   int       // workers that wait
	taken    int       // items of all lanes that are not settled
	runs     int       // handlers that were run
	stopping bool      // nothing more begins
	draining bool      // all workers are done: ackers finish and leave
	pass     float64   // the weighted choice's present
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
	stopKeeper context.CancelFunc

	once sync.Once
	over chan struct{}
}

func newShift(ctx context.Context, p *Pool) *shift {
	s := &shift{p: p, base: context.WithoutCancel(ctx), over: make(chan struct{})}
	s.work.L, s.settled.L = &s.mu, &s.mu
	s.fetching, s.stopFetch = context.WithCancel(s.base)
	s.gates = typeGates(p.router)
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

func (s *shift) newLane(q Queue, pq PoolQueue) *lane {
	cfg := q.Config()
	l := &lane{
		s: s, queue: q, cfg: cfg, name: pq.Name, lease: cfg.Visibility,
		share: 1 / float64(max(pq.Weight, 1)),
		gate:  newGate(pq.Concurrency, pq.Rate),
	}
	l.fetcher.init(len(s.p.queues), s.p.cfg.Workers)
	l.acker.init(cfg.Type)
	for _, rt := range s.p.router.routes {
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
func typeGates(r *Router) map[string]*gate {
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
	if !s.p.limits {
		return nil
	}
	return s.gates[taskType]
}

func (s *shift) fetch() {
	s.mu.Lock()
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
		for it := l.pop(); it != nil; it = l.pop() {
			l.giveBack(it, 0)
		}
		for _, it := range l.held {
			l.giveBack(it, 0)
		}
		l.held = nil
		l.acker.kick()
	}
	if s.alarm != nil {
		s.alarm.Stop()
	}
	s.work.Broadcast()
	s.mu.Unlock()

	cancel := time.AfterFunc(grace, func() { s.cancelRuns(ErrStopping) })
	s.fetchers.Wait() // what they still bring is released by insert
	s.workers.Wait()
	cancel.Stop()

	s.mu.Lock()
	s.draining = true
	for _, l := range s.lanes {
		l.acker.kick()
	}
	s.mu.Unlock()
	s.ackers.Wait()
	s.stopKeeper()
	s.keepers.Wait()
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
		return fmt.Sprintf("%d tasks are not settled with their queue yet", s.taken)
	}
	if n > shown {
		names = append(names, fmt.Sprintf("and %d more", n-shown))
	}
	return fmt.Sprintf("%d handlers are still running: %s", n, strings.Join(names, ", "))
}

// next hands back a worker's finished item and returns its next one, to be run
// with ctx, or nil when the shift ends.
func (s *shift) next(done *item, took time.Duration, now time.Time, ctx *taskContext) *item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done != nil {
		s.finish(done, took)
	}
	waited := false
	for {
		if s.stopping {
			return nil
		}
		if waited {
			now = time.Now()
		}
		if it := s.choose(now); it != nil {
			it.state, it.ctx, ctx.begun = running, ctx, now
			it.lane().gate.enter(now)
			it.gate.enter(now)
			s.runs++
			it.lane().fetchIfLow()
			return it
		}
		waited = true
		s.parked++
		s.hintAll()
		s.work.Wait()
		s.parked--
	}
}

// finish takes a run's outcome. s.mu is held.
func (s *shift) finish(it *item, took time.Duration) {
	l := it.lane()
	l.fetcher.ran(took)
	l.gate.leave()
	it.gate.leave()
	if l.gate != nil || it.gate != nil {
		s.wake(1)
		s.hintAll()
	}
	it.ctx = nil
	if it.lost || it.outcome == Abandoned {
		l.close(it)
		return
	}
	l.settle(it)
}

// wake gets up to n parked workers to look for work.
func (s *shift) wake(n int) {
	for range min(n, s.parked) {
		s.work.Signal()
	}
}

// hintAll tells what waits for workers to become free: the fetchers, which may
// fetch for them, and when all are free the ackers, which need not wait for more.
func (s *shift) hintAll() {
	for _, l := range s.lanes {
		l.fetchIfLow()
		if s.parked == s.p.cfg.Workers && len(l.acks) > 0 {
			l.acker.kick()
		}
	}
}

// lookAgain makes parked workers and fetchers look again after d. 0: they will
// be told otherwise.
func (s *shift) lookAgain(d time.Duration) {
	at := time.Now().Add(d)
	if d <= 0 || s.stopping || (!s.alarmAt.IsZero() && !at.Before(s.alarmAt)) {
		return
	}
	s.alarmAt = at
	if s.alarm == nil {
		s.alarm = time.AfterFunc(d, s.ring)
		return
	}
	s.alarm.Reset(d)
}

func (s *shift) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alarmAt = time.Time{}
	s.work.Broadcast()
	s.hintAll()
}

// choose picks the lane to serve by priority and takes an item from it.
func (s *shift) choose(now time.Time) *item {
	if len(s.lanes) == 1 {
		return s.lanes[0].take(now)
	}
	if s.p.cfg.Strict {
		return s.chooseStrict(now)
	}
	return s.chooseWeighted(now)
}

func (s *shift) chooseStrict(now time.Time) *item {
	for _, l := range s.lanes {
		if it := l.take(now); it != nil {
			return it
		}
		if d := l.fetcher.expects(now); d > 0 {
			s.lookAgain(d) // it may have a task yet: the lower queues wait
			return nil
		}
	}
	return nil
}

// chooseWeighted is stride scheduling: each start moves its lane's pass on by
// the inverse of the weight, and the lane that is furthest behind is next. One
// that has run out and is about to get more is waited for, else its share would
// go to those whose broker is nearer.
func (s *shift) chooseWeighted(now time.Time) *item {
	s.round++
	for {
		var best *lane
		for _, l := range s.lanes {
			if l.tried != s.round && (best == nil || l.pass < best.pass) && l.promises(now) {
				best = l
			}
		}
		if best == nil {
			return nil
		}
		if best.buffered+len(best.held) == 0 {
			s.lookAgain(best.fetcher.expects(now))
			return nil
		}
		if it := best.take(now); it != nil {
			s.pass = best.pass
			best.pass += best.share
			return it
		}
		best.tried = s.round
	}
}

// promises reports whether the lane has a task, or will have one in a moment.
func (l *lane) promises(now time.Time) bool {
	return l.buffered+len(l.held) > 0 || l.fetcher.more && l.fetcher.expects(now) > 0
}
