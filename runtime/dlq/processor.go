package dlq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A Processor takes dead tasks off a dead letter queue, puts them into a store and
// tells somebody. Each is in the store before it leaves the queue: one that is
// killed on the way leaves some in both, and putting them again changes nothing. Any
// number of processes may run one on the same queue.
type Processor struct {
	queue driver.Queue
	name  string // of the queue, as the manager has it
	cfg   ProcessorConfig

	mu      sync.Mutex
	pending Notice
	groups  groups
	news    chan struct{} // capacity 1: something is pending
}

// ProcessorConfig configures a Processor.
type ProcessorConfig struct {
	// Store keeps the tasks. It is required; OpenStore works on it.
	Store TaskStore
	// Notifier is told of them. Nil: nobody is.
	Notifier Notifier
	// NotifyEvery is the shortest time between two notices; DefaultNotifyEvery when
	// 0. What dies within that time is in one notice, by groups.
	NotifyEvery time.Duration
	// Logger hears of failures. Nil: slog.Default, as it is when something is
	// logged. slog.New(slog.DiscardHandler) is silent.
	Logger *slog.Logger
}

// DefaultNotifyEvery is the shortest time between two notices where the
// configuration does not say.
const DefaultNotifyEvery = time.Minute

const (
	// processBatch is how many tasks are stored at once.
	processBatch = 100
	// processPause is how long a processor waits after a failure, and how long what
	// it could not store waits on the queue.
	processPause = 5 * time.Second
	// gatherFor is how long a notice waits for more of the same burst.
	gatherFor = 2 * time.Second
	// noticeTime bounds one call of a notifier.
	noticeTime = 10 * time.Second
	// maxGroups bounds the groups of one notice. What is beyond them is counted.
	maxGroups = 100
)

// NewProcessor returns a processor of a dead letter queue that m has open by its own
// name ("mail-dlq"). Open it on a manager without a pool, or with one that lists its
// queues: a pool that works on all queues of its manager would run the dead.
func NewProcessor(m *runtime.Manager, queue string, cfg ProcessorConfig) (*Processor, error) {
	q, err := m.Queue(queue)
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.Store == nil:
		return nil, fmt.Errorf("taskgen: a processor of dead letters needs a store: what it takes off queue %q would be lost", queue)
	case cfg.NotifyEvery < 0:
		return nil, fmt.Errorf("taskgen: a processor of dead letters cannot notify every %s", cfg.NotifyEvery)
	case cfg.NotifyEvery == 0:
		cfg.NotifyEvery = DefaultNotifyEvery
	}
	return &Processor{queue: q, name: queue, cfg: cfg, groups: make(groups), news: make(chan struct{}, 1)}, nil
}

func (p *Processor) log() *slog.Logger {
	return cmp.Or(p.cfg.Logger, slog.Default()).With("queue", p.name)
}

// Run works until ctx ends, and returns nil then; or an error wrapping
// runtime.ErrClosed when the queue is closed. What is to be told by then is told
// before it returns, within some seconds; a process that is killed does not tell of
// what it stored last. It is called once.
func (p *Processor) Run(ctx context.Context) error {
	var telling sync.WaitGroup
	over := make(chan struct{})
	if p.cfg.Notifier != nil {
		telling.Go(func() { p.tell(over) })
	}
	defer func() {
		close(over)
		telling.Wait()
	}()
	for ctx.Err() == nil {
		ds, err := p.queue.Dequeue(ctx, processBatch, p.queue.Config().Visibility)
		switch {
		case len(ds) > 0:
			p.keep(ctx, ds)
		case errors.Is(err, runtime.ErrClosed):
			return fmt.Errorf("process dead letters: %w", err)
		case err != nil && !errors.Is(err, driver.ErrNoTasks) && ctx.Err() == nil:
			p.log().Warn("cannot take dead letters, will keep trying", "error", err)
			pause(ctx.Done(), processPause)
		}
	}
	return nil
}

func pause(over <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	}
}

// keep stores tasks, and takes them off the queue once they are. It is not cancelled
// half way; the length of the lease bounds it.
func (p *Processor) keep(ctx context.Context, ds []*driver.Delivery) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.queue.Config().Visibility)
	defer cancel()
	tasks := make([]*runtime.Task, len(ds))
	for i, d := range ds {
		tasks[i] = d.Task
	}
	if err := p.cfg.Store.Put(ctx, tasks); err != nil {
		p.log().Error("cannot store dead letters: they stay on their queue", "tasks", len(ds), "error", err)
		for _, d := range ds {
			d.Delay = processPause
		}
		if err := p.queue.Release(ctx, ds); err != nil {
			p.log().Warn("cannot release dead letters: they return when their leases end", "error", err)
		}
		return
	}
	if err := p.queue.Complete(ctx, ds); err != nil {
		p.log().Warn("dead letters are stored, but cannot be removed from their queue: they will be received again", "error", err)
	}
	if p.cfg.Notifier != nil {
		p.note(tasks)
	}
}

// note adds tasks to the pending notice.
func (p *Processor) note(tasks []*runtime.Task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range tasks {
		l := letter(t, nil, true)
		p.pending.Count++
		if len(p.groups) < maxGroups || p.groups[l.Group] != nil {
			p.groups.add(&l)
		}
	}
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// tell sends notices, until over is closed and nothing is pending.
func (p *Processor) tell(over <-chan struct{}) {
	for {
		select {
		case <-p.news:
		case <-over:
			p.notify()
			return
		}
		pause(over, gatherFor)
		if !p.notify() {
			select { // it is not forgotten
			case p.news <- struct{}{}:
			default:
			}
		}
		pause(over, p.cfg.NotifyEvery-gatherFor)
	}
}

// notify sends what is pending, and reports whether nothing is left of it.
func (p *Processor) notify() bool {
	p.mu.Lock()
	n, gs := p.pending, p.groups
	p.pending, p.groups = Notice{}, make(groups)
	p.mu.Unlock()
	if n.Count == 0 {
		return true
	}
	n.Queue, n.Groups = p.queue.Config().Name, gs.sorted()
	ctx, cancel := context.WithTimeout(context.Background(), noticeTime)
	defer cancel()
	err := p.cfg.Notifier.Notify(ctx, n)
	if err == nil {
		return true
	}
	p.log().Warn("cannot send the notice of dead letters, will try again", "tasks", n.Count, "error", err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending.Count += n.Count
	for _, g := range n.Groups {
		p.groups.merge(g)
	}
	return false
}
