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

// A Processor moves dead tasks from a dead letter queue to a store and sends notices.
// Each task is in the store before it leaves the queue: a processor that is killed in
// between leaves tasks in both, and storing them again changes nothing. Any number of
// processes may run a processor on the same queue.
type Processor struct {
	queue driver.Queue
	name  string // of the queue in the manager
	cfg   ProcessorConfig

	mu            sync.Mutex
	pending       Notice
	groups        groups
	noticePending chan struct{} // capacity 1: something is pending
}

// ProcessorConfig configures a Processor.
type ProcessorConfig struct {
	// Store keeps the tasks. It is required; OpenStore opens a box on it.
	Store TaskStore
	// Notifier sends the notices. Nil: no notices.
	Notifier Notifier
	// NotifyEvery is the shortest time between two notices; DefaultNotifyEvery when 0.
	// Tasks that die within that time are in one notice, by groups.
	NotifyEvery time.Duration
	// Logger logs failures. Nil: slog.Default at the time of the record.
	// slog.New(slog.DiscardHandler) is silent.
	Logger *slog.Logger
}

// DefaultNotifyEvery is the default of ProcessorConfig.NotifyEvery.
const DefaultNotifyEvery = time.Minute

const (
	// processBatch is how many tasks are stored at once.
	processBatch = 100
	// processPause is how long a processor waits after a failure, and how long tasks that
	// it could not store wait on the queue.
	processPause = 5 * time.Second
	// burstWait is how long a notice waits for more of the same burst.
	burstWait = 2 * time.Second
	// notifyTimeout bounds one call of a notifier.
	notifyTimeout = 10 * time.Second
	// maxGroups bounds the groups of one notice. Tasks of further groups are only
	// counted.
	maxGroups = 100
)

// NewProcessor returns a processor of a dead letter queue that m has open under its own
// name ("mail-dlq"). Open it on a manager without a pool, or with a pool that lists its
// queues: a pool on all queues of its manager would run the dead tasks.
func NewProcessor(m *runtime.Manager, queue string, cfg ProcessorConfig) (*Processor, error) {
	q, err := m.Queue(queue)
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.Store == nil:
		return nil, fmt.Errorf("taskgen: a processor of dead letters needs a store: the tasks that it takes off queue %q would be lost", queue)
	case cfg.NotifyEvery < 0:
		return nil, fmt.Errorf("taskgen: a processor of dead letters cannot notify every %s", cfg.NotifyEvery)
	case cfg.NotifyEvery == 0:
		cfg.NotifyEvery = DefaultNotifyEvery
	}
	return &Processor{queue: q, name: queue, cfg: cfg, groups: make(groups), noticePending: make(chan struct{}, 1)}, nil
}

func (p *Processor) log() *slog.Logger {
	return cmp.Or(p.cfg.Logger, slog.Default()).With("queue", p.name)
}

// Run works until ctx ends and then returns nil, or an error wrapping runtime.ErrClosed
// when the queue is closed. It sends the pending notice before it returns, within some
// seconds; a process that is killed sends no notice of the last tasks it stored. Run is
// called once.
func (p *Processor) Run(ctx context.Context) error {
	var notifying sync.WaitGroup
	over := make(chan struct{})
	if p.cfg.Notifier != nil {
		notifying.Go(func() { p.notifyLoop(over) })
	}
	defer func() {
		close(over)
		notifying.Wait()
	}()
	for ctx.Err() == nil {
		ds, err := p.queue.Dequeue(ctx, processBatch, p.queue.Config().Visibility)
		switch {
		case len(ds) > 0:
			p.storeAndComplete(ctx, ds)
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

// storeAndComplete stores tasks and then takes them off the queue. It is not cancelled
// half way; the length of the lease bounds it.
func (p *Processor) storeAndComplete(ctx context.Context, ds []*driver.Delivery) {
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
		p.addToNotice(tasks)
	}
}

// addToNotice adds tasks to the pending notice.
func (p *Processor) addToNotice(tasks []*runtime.Task) {
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
	case p.noticePending <- struct{}{}:
	default:
	}
}

// notifyLoop sends notices, until over is closed and nothing is pending.
func (p *Processor) notifyLoop(over <-chan struct{}) {
	for {
		select {
		case <-p.noticePending:
		case <-over:
			p.notify()
			return
		}
		pause(over, burstWait)
		if !p.notify() {
			select { // keep the notice pending
			case p.noticePending <- struct{}{}:
			default:
			}
		}
		pause(over, p.cfg.NotifyEvery-burstWait)
	}
}

// notify sends the pending notice, and reports whether nothing is pending any more.
func (p *Processor) notify() bool {
	p.mu.Lock()
	n, gs := p.pending, p.groups
	p.pending, p.groups = Notice{}, make(groups)
	p.mu.Unlock()
	if n.Count == 0 {
		return true
	}
	n.Queue, n.Groups = p.queue.Config().Name, gs.sorted()
	ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
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
