package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// maxGathered bounds a gathered batch if the provider has no bound.
	maxGathered = 1000
	// gatheredBytes bounds the payloads of a gathered batch: a caller with little of
	// its own should not wait for the payloads of all others.
	gatheredBytes = 4 << 20
	// maxBehind is how long arrivals wait behind a round trip, about as long as a slow
	// round trip takes: one that hangs must not delay all others.
	maxBehind = 10 * time.Millisecond
	// farTrip is the least duration of a round trip after which the next one waits for
	// the callers that have just been answered, for maxReunion at most.
	farTrip    = 500 * time.Microsecond
	maxReunion = time.Millisecond
)

// A gatherer batches the enqueues of many goroutines on one queue. Enqueues that arrive
// during a round trip are sent together when it ends, when they fill a batch, or after
// maxBehind. A lone caller pays nothing, and a busy queue gets as large batches as its
// callers can make.
//
// Callers that have just been answered tend to come back at once. They would split into
// two groups that take turns, each waiting for the other's round trip before its own.
// So if round trips are long, the next one waits until as many callers have gathered as
// there were, for a quarter of a round trip at most.
//
// With a linger, arrivals gather for that long, whether or not a round trip is under
// way.
type gatherer struct {
	queue  driver.Queue
	limit  int // tasks in one batch
	linger time.Duration
	clock  driver.Clock

	mu      sync.Mutex
	flights int      // round trips under way
	waiting *group   // what goes out next; nil: no caller waits
	sent    []*group // under way, for close
	closed  bool
	wg      sync.WaitGroup // the goroutines that send groups

	trip    time.Duration // how long the last round trip took
	reunion driver.Timer  // set while the next round trip waits for callers to come back
	callers int           // how many are expected
}

// A group is a batch of several callers.
type group struct {
	callers []*caller
	tasks   int
	bytes   int          // of their payloads
	timer   driver.Timer // sends the group off
	sent    bool
	live    int                // callers that still wait, once it is sent
	cancel  context.CancelFunc // called when live reaches 0
	done    chan struct{}
}

type caller struct {
	tasks   []*Task
	bytes   int
	answers []Enqueued
	err     error
}

func newGatherer(q driver.Queue, linger time.Duration, clock driver.Clock) *gatherer {
	limit := q.Capabilities().MaxBatch
	if limit <= 0 {
		limit = maxGathered
	}
	return &gatherer{queue: q, limit: limit, linger: linger, clock: clock}
}

// enqueue is the queue's Enqueue, shared with concurrent callers.
func (g *gatherer) enqueue(ctx context.Context, tasks []*Task) ([]Enqueued, error) {
	g.mu.Lock()
	switch {
	case g.closed:
		g.mu.Unlock()
		return nil, g.errClosed()
	case len(tasks) >= g.limit || g.linger <= 0 && g.flights == 0 && g.reunion == nil:
		g.flights++
		g.mu.Unlock()
		defer g.landed(nil, g.clock.Now())
		return enqueueOn(ctx, g.queue, tasks)
	case ctx.Err() != nil:
		g.mu.Unlock()
		return nil, g.errEnded(ctx)
	}
	c := &caller{tasks: tasks}
	for _, t := range tasks {
		c.bytes += len(t.Payload)
	}
	gr := g.join(c)
	g.mu.Unlock()
	select {
	case <-gr.done:
		return c.answers, c.err
	case <-ctx.Done():
		return g.leave(ctx, gr, c)
	}
}

// join adds a caller to the group that goes out next, and sends the group when it is
// full. The caller holds g.mu.
func (g *gatherer) join(c *caller) *group {
	if g.waiting != nil && (g.waiting.tasks+len(c.tasks) > g.limit || g.waiting.bytes+c.bytes > gatheredBytes) {
		g.send()
	}
	gr := g.waiting
	if gr == nil {
		gr = &group{done: make(chan struct{})}
		g.waiting = gr
		wait := maxBehind
		if g.linger > 0 {
			wait = g.linger
		}
		gr.timer = g.clock.AfterFunc(wait, func() { g.waited(gr) })
	}
	gr.callers = append(gr.callers, c)
	gr.tasks += len(c.tasks)
	gr.bytes += c.bytes
	if gr.tasks == g.limit || gr.bytes >= gatheredBytes || g.reunion != nil && len(gr.callers) >= g.callers {
		g.send()
	}
	return gr
}

// waited sends a group that has waited long enough, unless it is already sent.
func (g *gatherer) waited(gr *group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting == gr {
		g.send()
	}
}

// send starts the round trip of the waiting group. The caller holds g.mu.
func (g *gatherer) send() {
	gr := g.waiting
	g.waiting = nil
	gr.timer.Stop()
	g.part()
	// No caller's context may end the call of the others: the call ends when the last
	// caller has left.
	ctx, cancel := context.WithCancel(context.Background())
	gr.sent, gr.live, gr.cancel = true, len(gr.callers), cancel
	g.sent = append(g.sent, gr)
	g.flights++
	g.wg.Go(func() {
		defer cancel()
		defer g.landed(gr, g.clock.Now())
		gr.settle(g.roundTrip(ctx, gr))
	})
}

func (g *gatherer) roundTrip(ctx context.Context, gr *group) ([]Enqueued, error) {
	tasks := make([]*Task, 0, gr.tasks)
	for _, c := range gr.callers {
		tasks = append(tasks, c.tasks...)
	}
	return enqueueOn(ctx, g.queue, tasks)
}

// landed ends a round trip of a group or of a lone caller.
func (g *gatherer) landed(gr *group, began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flights--
	g.trip = g.clock.Now().Sub(began)
	callers := 1
	if gr != nil {
		g.sent = slices.DeleteFunc(g.sent, func(other *group) bool { return other == gr })
		close(gr.done)
		callers = len(gr.callers)
	}
	if g.flights > 0 || g.linger > 0 || g.closed {
		return
	}
	if g.waiting != nil {
		callers += len(g.waiting.callers)
	}
	if callers > 1 && g.trip >= farTrip {
		g.reunite(callers)
	} else if g.waiting != nil {
		g.send()
	}
}

// reunite makes the next round trip wait for the given number of callers. The caller
// holds g.mu.
func (g *gatherer) reunite(callers int) {
	g.part()
	g.callers = callers
	var t driver.Timer
	t = g.clock.AfterFunc(min(g.trip/4, maxReunion), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.reunion != t {
			return
		}
		g.reunion = nil
		if g.waiting != nil && g.flights == 0 {
			g.send()
		}
	})
	g.reunion = t
}

// part ends the wait for callers. The caller holds g.mu.
func (g *gatherer) part() {
	if g.reunion != nil {
		g.reunion.Stop()
		g.reunion = nil
	}
}

// settle gives each caller its answers and errors.
func (gr *group) settle(answers []Enqueued, err error) {
	var be *BatchError
	if err != nil && !errors.As(err, &be) {
		for _, c := range gr.callers {
			c.err = err
		}
		return
	}
	var items []driver.ItemError
	if be != nil {
		items = be.Items
	}
	first := 0
	for _, c := range gr.callers {
		end := first + len(c.tasks)
		c.answers = answers[first:end:end]
		var failed BatchError
		for _, it := range items {
			if it.Index >= first && it.Index < end {
				failed.Add(it.Index-first, it.ID, it.Err)
			}
		}
		c.err = failed.OrNil()
		first = end
	}
}

// leave takes a caller whose context has ended out of its group, if that is not
// on its way yet.
func (g *gatherer) leave(ctx context.Context, gr *group, c *caller) ([]Enqueued, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gr.sent {
		select {
		case <-gr.done: // it was answered in the meantime
			return c.answers, c.err
		default:
		}
		if gr.live--; gr.live == 0 {
			gr.cancel()
		}
		return nil, fmt.Errorf("enqueue on queue %q: %w: the tasks were on their way and may have been enqueued", g.queue.Config().Name, driver.Unavailable(ctx.Err()))
	}
	gr.callers = slices.DeleteFunc(gr.callers, func(other *caller) bool { return other == c })
	gr.tasks -= len(c.tasks)
	gr.bytes -= c.bytes
	if len(gr.callers) == 0 && g.waiting == gr {
		g.waiting = nil
		gr.timer.Stop()
	}
	return nil, g.errEnded(ctx)
}

// close refuses new and waiting callers. Then it closes the queue, ends the round trips
// of groups and waits for them.
func (g *gatherer) close() error {
	g.mu.Lock()
	if gr := g.waiting; gr != nil && !g.closed {
		g.waiting = nil
		gr.timer.Stop()
		gr.settle(nil, g.errClosed())
		close(gr.done)
	}
	g.closed = true
	g.part()
	g.mu.Unlock()
	err := g.queue.Close()
	g.mu.Lock()
	for _, gr := range g.sent {
		gr.cancel()
	}
	g.mu.Unlock()
	g.wg.Wait()
	return err
}

func (g *gatherer) errClosed() error {
	return fmt.Errorf("enqueue on queue %q: %w: nothing was sent", g.queue.Config().Name, ErrClosed)
}

func (g *gatherer) errEnded(ctx context.Context) error {
	return fmt.Errorf("enqueue on queue %q: %w: nothing was sent", g.queue.Config().Name, ctx.Err())
}
