package measure

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Bounds of counting.
const (
	// ScrapeAge is how old the counts of a queue may be for a scrape or an export: several
	// servers that scrape cost no more than one.
	ScrapeAge = 5 * time.Second
	// CountTimeout is how long Count waits for the brokers altogether: a part of the 10 s that
	// Prometheus gives a scrape.
	CountTimeout = 3 * time.Second
	// atATime is how many queues of one provider are counted at a time.
	atATime = 8
)

// ErrNoAnswer is the error of a Count whose broker has not answered within CountTimeout.
var ErrNoAnswer = errors.New("the broker did not answer within " + CountTimeout.String())

// Queues are the open queues of a program, with what they counted last. It is safe for
// concurrent use: calls at the same time share one call to each queue.
type Queues struct {
	logger *slog.Logger

	mu    sync.Mutex
	open  []*queue                 // in the order in which they were opened
	slots map[string]chan struct{} // calls in progress, by provider
}

// NewQueues returns Queues without a queue. logger logs when a queue cannot be counted,
// and when it can be again; nil: slog.Default, as it is at the time.
func NewQueues(logger *slog.Logger) *Queues {
	return &Queues{logger: logger, slots: make(map[string]chan struct{})}
}

// Open adds a queue.
func (qs *Queues) Open(q *observe.Queue) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	slots := qs.slots[q.Provider]
	if slots == nil {
		slots = make(chan struct{}, atATime)
		qs.slots[q.Provider] = slots
	}
	qs.open = append(qs.open, &queue{seen: q, can: q.Driver.Capabilities(), slots: slots, log: qs.log})
}

// Close removes a queue.
func (qs *Queues) Close(q *observe.Queue) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	qs.open = slices.DeleteFunc(qs.open, func(o *queue) bool { return o.seen == q })
}

// A Count is what a queue counts.
type Count struct {
	Queue *observe.Queue
	Can   driver.Capabilities
	Stats driver.Stats
	// Err is why Stats are not known: ErrNoAnswer, or the provider's error.
	Err error
}

// Count returns the counts of all open queues, each at most maxAge old, in the order in
// which they were opened. Of several queues of one name and provider name it is the first.
// It takes CountTimeout at most, even if a broker hangs.
func (qs *Queues) Count(maxAge time.Duration) []Count {
	open := qs.distinct()
	ctx, cancel := context.WithTimeout(context.Background(), CountTimeout)
	defer cancel()
	counts := make([]Count, len(open))
	var wg sync.WaitGroup
	for i, q := range open {
		counts[i] = Count{Queue: q.seen, Can: q.can}
		wg.Go(func() { counts[i].Stats, counts[i].Err = q.count(ctx, maxAge) })
	}
	wg.Wait()
	return counts
}

func (qs *Queues) distinct() []*queue {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	type name struct{ provider, queue string }
	had := make(map[name]bool, len(qs.open))
	var open []*queue
	for _, q := range qs.open {
		if key := (name{q.seen.Provider, q.seen.Name}); !had[key] {
			had[key] = true
			open = append(open, q)
		}
	}
	return open
}

func (qs *Queues) log() *slog.Logger {
	if qs.logger != nil {
		return qs.logger
	}
	return slog.Default()
}

// A queue is an open queue.
type queue struct {
	seen  *observe.Queue
	can   driver.Capabilities
	slots chan struct{}
	log   func() *slog.Logger

	mu      sync.Mutex
	stats   driver.Stats
	err     error
	at      time.Time     // of the answer; zero: there is none yet
	pending chan struct{} // closed when the current call has ended; nil: there is none
}

// count returns the last answer if it is at most maxAge old, else a new one. It waits for
// that until ctx ends; the call itself continues, and its answer is the next caller's.
func (q *queue) count(ctx context.Context, maxAge time.Duration) (driver.Stats, error) {
	q.mu.Lock()
	if !q.at.IsZero() && time.Since(q.at) <= maxAge {
		defer q.mu.Unlock()
		return q.stats, q.err
	}
	if q.pending == nil {
		q.pending = make(chan struct{})
		go q.ask()
	}
	pending := q.pending
	q.mu.Unlock()
	select {
	case <-pending:
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.stats, q.err
	case <-ctx.Done():
		return driver.Stats{}, ErrNoAnswer
	}
}

// ask gets an answer, or gives up after CountTimeout. A call that hangs although its
// context has ended holds its slot, and no other call to this queue is made meanwhile.
func (q *queue) ask() {
	ctx, cancel := context.WithTimeout(context.Background(), CountTimeout)
	defer cancel()
	var stats driver.Stats
	err := ErrNoAnswer
	select {
	case q.slots <- struct{}{}:
		stats, err = q.seen.Driver.Stats(ctx)
		<-q.slots
		if err != nil && ctx.Err() != nil {
			err = ErrNoAnswer
		}
	case <-ctx.Done():
	}
	q.mu.Lock()
	was := q.err
	q.mu.Unlock()
	q.logChange(was, err) // before anybody sees the answer, and without the lock
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats, q.err, q.at = stats, err, time.Now()
	close(q.pending)
	q.pending = nil
}

// logChange logs when the queue's tasks can no longer be counted, and when they can be again.
func (q *queue) logChange(was, now error) {
	which := []any{slog.String("queue", q.seen.Name), slog.String("provider", q.seen.Provider)}
	switch {
	case errors.Is(now, driver.ErrClosed):
	case was == nil && now != nil:
		q.log().Warn("cannot count the tasks of a queue: its gauges are left out of the metrics", append(which, slog.Any("error", now))...)
	case was != nil && now == nil:
		q.log().Info("the tasks of a queue can be counted again", which...)
	}
}
