package pool

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A run is one working period of a pool, from Start to Stop: its workers, and
// a consumer for each queue with a fetcher, a lease extender and an acker.
//
// One mutex, that of its monitor, guards what they share.
type run struct {
	p         *Pool
	cfg       *Config // of the pool
	clock     driver.Clock
	listener  *observe.Listener // nil: nobody listens
	seen      *observe.Pool     // the pool as listeners see it; nil: nobody listens
	routing   *routing          // the router as it was when the run began
	base      context.Context   // values for handlers; never ends
	began     time.Time
	many      throttle // bounds the logged failures
	consumers []*consumer
	limiters  map[string]*limiter // by task type, aliases included

	mon monitor // guards what follows

	chooser  chooser
	settled  sync.Cond // taken is 0
	busy     busyWorkers
	ahead    bool // tasks are fetched ahead: they go back if the workers are too busy
	taken    int  // items of all consumers that are not settled
	suspects suspects
	runs     int // handlers that were run

	stopFetch  context.CancelFunc
	fetching   context.Context
	fetchers   sync.WaitGroup
	leaveFetch func() // fetchers.Done, made once
	workers    sync.WaitGroup
	ackers     sync.WaitGroup
	extenders  sync.WaitGroup
	receives   sync.WaitGroup // those that go on behind a Dequeue
	stopExtend context.CancelFunc

	once sync.Once
	over chan struct{}
}

func newRun(ctx context.Context, p *Pool) *run {
	r := &run{
		p: p, cfg: &p.cfg, clock: p.host.Clock, listener: p.host.Listener, routing: p.routing,
		base: context.WithoutCancel(ctx), began: time.Now(), many: throttle{log: p.logger}, over: make(chan struct{}),
	}
	r.mon.init(p.cfg.Workers, p.logger, r.notifyFetchersLocked, r.onTimerLocked)
	r.settled.L, r.leaveFetch = &r.mon, r.fetchers.Done
	r.fetching, r.stopFetch = context.WithCancel(r.base)
	r.limiters = typeLimiters(r.routing)
	r.busy = newBusyWorkers(p.cfg.Workers, r.began)
	with := common{
		mon: &r.mon, base: r.base, routing: r.routing, chooser: &r.chooser, busy: &r.busy, suspects: &r.suspects,
		many: &r.many, clock: r.clock, listener: r.listener, excused: &p.excused, unknown: &p.unknown,
	}
	for i, q := range p.queues {
		r.consumers = append(r.consumers, newConsumer(r, with, q, p.seen[i], p.cfg.Queues[i]))
	}
	r.chooser = chooser{mon: &r.mon, strict: p.cfg.Strict, consumers: r.consumers}
	extending, stopExtend := context.WithCancel(r.base)
	r.stopExtend = stopExtend
	for _, c := range r.consumers {
		r.ackers.Go(func() { c.acker.run(r.base) })
		r.extenders.Go(func() { c.extender.run(extending) })
	}
	for range p.cfg.Workers {
		r.workers.Go((&worker{run: r}).loop)
	}
	return r
}

// typeLimiters makes the limiters of the types that have limits.
func typeLimiters(r *routing) map[string]*limiter {
	limiters := make(map[string]*limiter)
	made := make(map[*route]*limiter)
	for name, rt := range r.routes {
		if !rt.policy.limited() {
			continue
		}
		if made[rt] == nil {
			made[rt] = newLimiter(rt.policy.Concurrency, rt.policy.Rate)
		}
		limiters[name] = made[rt]
	}
	return limiters
}

// limitersOf are those of a queue's types, if all of them have limits; else nil.
func (r *run) limitersOf(queue string) (types []*limiter) {
	for _, rt := range r.routing.routes {
		if rt.policy.Queue != queue {
			continue
		}
		l := r.limiters[rt.policy.Type]
		if l == nil {
			return nil
		}
		if !slices.Contains(types, l) {
			types = append(types, l)
		}
	}
	return types
}

// typeLimiter is the limiter of a type; nil: it has no limits.
func (r *run) typeLimiter(taskType string) *limiter {
	if !r.routing.limits {
		return nil
	}
	return r.limiters[taskType]
}

// policyOf is the policy of a type; &noPolicy if it has no handler.
func (r *run) policyOf(taskType string) *Policy {
	if rt := r.routing.routes[taskType]; rt != nil {
		return &rt.policy
	}
	return &noPolicy
}

// handler is the handler of all types, within the middleware.
func (r *run) handler() Handler { return r.routing.handler }

// deadHook is the hook of a type for dead tasks, if any.
func (r *run) deadHook(p *Policy) DeadHook { return r.routing.onDead[p.Type] }

func (r *run) logger() *slog.Logger { return r.p.logger() }

// queues is how many queues the workers choose from.
func (r *run) queues() int { return len(r.cfg.Queues) }

// maxHeld bounds the tasks of a queue that wait for their type's limit.
func (r *run) maxHeld() int { return max(r.cfg.Workers, 16) }

// isForSomeTypes reports whether the pool leaves other types to other pools.
func (r *run) isForSomeTypes() bool { return len(r.cfg.Types) > 0 }

// typesDeclared are the types that the declarations of a queue list.
func (r *run) typesDeclared(queue string) []string { return r.p.host.Types(queue) }

// takenLocked counts items that have come, or, below zero, that are closed.
func (r *run) takenLocked(n int) {
	if r.taken += n; r.taken == 0 {
		r.settled.Broadcast()
	}
}

// enterFetch makes the end of the run wait for a fetch until leave is called, as it does
// for the fetchers. It returns nil if the run is ending.
func (r *run) enterFetch() (leave func()) {
	r.mon.Lock()
	defer r.mon.Unlock()
	if r.mon.stoppedLocked() {
		return nil
	}
	r.fetchers.Add(1)
	return r.leaveFetch
}

func (r *run) fetch() {
	r.mon.Lock()
	r.ahead = true
	for _, c := range r.consumers {
		c.fetcher.startsFetchLocked(time.Now()) // all at once, so that none seems empty
	}
	r.mon.Unlock()
	for _, c := range r.consumers {
		r.fetchers.Go(func() { c.fetcher.run(c.hearing(r.fetching)) })
	}
}

// startDrain makes Drain fetch in place of the fetchers.
func (r *run) startDrain() {
	for _, c := range r.consumers {
		c.startDrain()
	}
}

func (r *run) isOver() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

func (r *run) isStopping() bool {
	r.mon.Lock()
	defer r.mon.Unlock()
	return r.mon.stoppedLocked()
}

// stop ends the run, and waits for the end until ctx ends.
func (r *run) stop(ctx context.Context, grace time.Duration) error {
	r.end(grace)
	select {
	case <-r.over:
		return nil
	case <-ctx.Done():
	}
	if r.isOver() {
		return nil
	}
	return fmt.Errorf("stop the pool: %w; %s", context.Cause(ctx), r.unfinished())
}

// end begins the end of the run, once.
func (r *run) end(grace time.Duration) {
	r.once.Do(func() {
		r.mon.Lock()
		r.mon.stopLocked()
		for _, c := range r.consumers {
			c.acker.hurryLocked()
		}
		r.mon.Unlock()
		go r.windDown(grace)
	})
}

// windDown stops the parts of a run in order.
func (r *run) windDown(grace time.Duration) {
	r.stopFetch()
	r.mon.Lock()
	for _, c := range r.consumers {
		c.giveAllBackLocked()
		c.acker.signal()
	}
	r.mon.Unlock()

	late := make(chan struct{})
	cancel := time.AfterFunc(grace, func() {
		r.cancelRuns(driver.ErrStopping)
		close(late)
	})
	defer cancel.Stop()
	r.fetchers.Wait() // what they still bring is released by insertLocked
	r.workers.Wait()

	r.mon.Lock()
	for _, c := range r.consumers {
		c.acker.finishLocked()
	}
	r.mon.Unlock()
	r.ackers.Wait()
	r.stopExtend()
	r.extenders.Wait()
	r.awaitBehind(late)
	r.logStop()
	r.tellStopped()
	close(r.over)
}

// cancelRuns ends the contexts of all handlers that run.
func (r *run) cancelRuns(cause error) {
	r.mon.Lock()
	defer r.mon.Unlock()
	r.eachRunningLocked(func(it *item) { it.ctx.cancel(cause) })
}

func (r *run) eachRunningLocked(f func(*item)) {
	for _, c := range r.consumers {
		for it := range c.itemsLocked() {
			if it.state == running {
				f(it)
			}
		}
	}
}

// unfinished names what keeps the run from ending.
func (r *run) unfinished() string {
	const shown = 10
	r.mon.Lock()
	defer r.mon.Unlock()
	var names []string
	n := 0
	r.eachRunningLocked(func(it *item) {
		if n++; n <= shown {
			names = append(names, fmt.Sprintf("%s (%s on %s)", it.d.Task.ID, it.d.Task.Type, it.consumer().name))
		}
	})
	if n == 0 {
		return fmt.Sprintf("tasks not settled with their queue yet: %d", r.taken)
	}
	if n > shown {
		names = append(names, fmt.Sprintf("and %d more", n-shown))
	}
	return fmt.Sprintf("handlers still running (%d): %s", n, strings.Join(names, ", "))
}
