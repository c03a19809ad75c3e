package fleet

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/observe"
)

const (
	// leaveWait bounds how long a pool that has stopped waits to leave the fleet.
	leaveWait = time.Second
	// maxRunning bounds the tasks that a heartbeat names.
	maxRunning = 100
	// typesEvery is how often a worker publishes its types again, so that they do not
	// expire while it works.
	typesEvery = 12 * time.Hour
)

// A worker is a pool of this process.
type worker struct {
	f    *Fleet
	pool *observe.Pool

	stopping chan struct{}
	over     chan struct{}      // closed when it has left, or has given up
	giveUp   context.CancelFunc // ends every call of the store

	mu      sync.Mutex
	running map[runID]run

	// Only the goroutine of loop uses these.
	self      Worker // its own record, without the tasks that it runs
	done      int64  // the last order that was carried out, if the store does not have that yet
	published time.Time
	reached   bool // the store has had a heartbeat of it
	failing   bool // the last one failed, and the log says so
}

// A runID tells apart what a pool runs: it runs a task of a queue once at a time.
type runID struct {
	queue *observe.Queue
	task  string
}

type run struct {
	taskType string
	attempt  int
	since    time.Time
}

// join makes a pool a worker.
func (f *Fleet) join(p *observe.Pool) {
	host, _ := os.Hostname() // without one the name has to do
	w := &worker{
		f: f, pool: p, stopping: make(chan struct{}), over: make(chan struct{}), running: make(map[runID]run),
		self: Worker{ID: newID(), Name: p.Name, Host: host, PID: os.Getpid(), Build: build(), StartedAt: time.Now().UTC(), Slots: p.Workers},
	}
	for _, q := range p.Queues {
		w.self.Queues = append(w.self.Queues, Queue{Name: q.Name, Provider: q.Provider})
	}
	for i := range p.Types {
		w.self.Types = append(w.self.Types, p.Types[i].Name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.giveUp = cancel
	f.change(func(all []*worker) []*worker { return append(all, w) })
	go w.loop(ctx)
}

// leave ends what join began.
func (f *Fleet) leave(p *observe.Pool) {
	for _, w := range *f.workers.Load() {
		if w.pool == p {
			f.change(func(all []*worker) []*worker {
				return slices.DeleteFunc(all, func(other *worker) bool { return other == w })
			})
			w.leave()
			return
		}
	}
}

// change replaces the list of workers by what edit makes of a copy.
func (f *Fleet) change(edit func([]*worker) []*worker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := edit(slices.Clone(*f.workers.Load()))
	f.workers.Store(&all)
}

// workerOf is the worker of a run; nil if there is none. It is called twice for each
// task.
func (f *Fleet) workerOf(r *observe.Run) *worker {
	for _, w := range *f.workers.Load() {
		if w.pool == r.Pool {
			return w
		}
	}
	return nil
}

// newID returns an ID that no other worker has.
func newID() string { return strings.ToLower(rand.Text()) }

func (w *worker) begin(r *observe.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[runID{r.Queue, r.Task.ID}] = run{r.Type, r.Attempt, r.Began}
}

func (w *worker) end(r *observe.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, runID{r.Queue, r.Task.ID})
}

// loop is the goroutine of a worker. It ends when the worker has left.
func (w *worker) loop(ctx context.Context) {
	defer close(w.over)
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		w.beat(ctx)
		select {
		case <-tick.C:
		case <-w.stopping:
			if w.reached {
				// If it fails, the worker is gone when its time to live is over.
				_ = w.f.store.Leave(ctx, w.self.ID)
			}
			return
		}
	}
}

// leave waits until the worker has left, for a short time.
func (w *worker) leave() {
	close(w.stopping)
	defer w.giveUp()
	timer := time.NewTimer(leaveWait)
	defer timer.Stop()
	select {
	case <-w.over:
	case <-timer.C:
	}
}

// beat is one heartbeat. The next one repeats what fails.
func (w *worker) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, Interval)
	defer cancel()
	err := w.report(ctx)
	if err == nil {
		err = w.publish(ctx)
	}
	select {
	case <-w.stopping: // its calls were ended
		return
	default:
	}
	switch {
	case err != nil && !w.failing:
		w.f.logger().Warn("a worker cannot reach the store of its fleet, will keep trying: it works on, is not listed and takes no orders", w.name(), slog.Any("error", err))
	case err == nil && w.failing:
		w.f.logger().Info("a worker has reached the store of its fleet again", w.name())
	}
	w.failing = err != nil
}

func (w *worker) name() slog.Attr {
	return slog.Group("worker", slog.String("name", w.self.Name), slog.String("id", w.self.ID))
}

// report sends the worker's state and carries out its orders. It reports again after an
// order, so that its sender sees that it was carried out, and it is not sent again.
func (w *worker) report(ctx context.Context) error {
	orders, err := w.heartbeat(ctx)
	if err == nil && w.carryOut(orders) {
		_, err = w.heartbeat(ctx) // orders that came since come again
	}
	return err
}

func (w *worker) heartbeat(ctx context.Context) ([]fleetstore.Order, error) {
	w.reached = true // even if it fails: the store may have it
	orders, err := w.f.store.Heartbeat(ctx, w.snapshot(), w.done, TTL)
	if err == nil {
		w.done = 0
	}
	return orders, err
}

// carryOut does what the orders say, and reports whether there are any.
func (w *worker) carryOut(orders []fleetstore.Order) bool {
	for _, o := range orders {
		w.done = o.Seq
		log := w.f.logger().With(w.name(), slog.String("order", string(o.Kind)))
		switch o.Kind {
		case fleetstore.OrderQuiet:
			w.pool.Orders.Quiet()
			log.Info("a worker is quiet: an operator ordered it to begin no more tasks")
		case fleetstore.OrderResume:
			w.pool.Orders.Resume()
			log.Info("a worker resumes: an operator ordered it to")
		case fleetstore.OrderCancel:
			found := w.pool.Orders.Cancel(o.TaskID)
			log.Info("an operator ordered a worker to cancel a task", slog.String("task", o.TaskID), slog.Bool("found", found))
		default:
			log.Warn("a worker does not know an order: a later version may have sent it")
		}
	}
	return len(orders) > 0
}

// snapshot is the worker's record as of now.
func (w *worker) snapshot() *Worker {
	s := w.self
	s.Quiet = w.pool.Orders.IsQuiet()
	w.mu.Lock()
	s.Running = make([]Run, 0, len(w.running))
	for id, r := range w.running {
		s.Running = append(s.Running, Run{TaskID: id.task, Type: r.taskType, Queue: id.queue.Name, Attempt: r.attempt, Since: r.since.UTC()})
	}
	w.mu.Unlock()
	s.Busy = len(s.Running)
	slices.SortFunc(s.Running, func(a, b Run) int {
		if order := a.Since.Compare(b.Since); order != 0 {
			return order
		}
		return strings.Compare(a.TaskID, b.TaskID)
	})
	s.Running = s.Running[:min(len(s.Running), maxRunning)]
	return &s
}

// refusedTemplate is that of a type whose description is too large: nobody could check payloads.
func refusedTemplate(t *typeinfo.Template) *typeinfo.Template {
	if t == nil || t.Refused != "" {
		return t
	}
	return &typeinfo.Template{Version: t.Version, Refused: "its description is too large to be published", Sealed: t.Sealed}
}

// publish describes the worker's types, at its start and now and then.
func (w *worker) publish(ctx context.Context) error {
	if !w.published.IsZero() && time.Since(w.published) < typesEvery || len(w.pool.Types) == 0 {
		return nil
	}
	types := make([]Type, len(w.pool.Types))
	for i, t := range w.pool.Types {
		types[i] = Type{
			Name: t.Name, Aliases: t.Aliases, Queue: t.Queue, Schema: t.Schema, Shape: t.Shape, Secrets: t.Secrets,
			Timeout: t.Timeout, MaxRetries: t.MaxRetries, Result: t.Result, Retry: t.Retry, Retention: t.Retention, Template: t.Template,
		}
		data, err := types[i].Encode()
		if err == nil && len(data) > fleetstore.MaxTypeSize {
			types[i].Schema = ""
			types[i].Template = refusedTemplate(t.Template)
			w.f.logger().Warn("a type is published without its schema, and nobody enqueues tasks of it without its code: its description is too large", w.name(), slog.String("type", t.Name), slog.Int("bytes", len(data)), slog.Int("most", fleetstore.MaxTypeSize))
		}
	}
	if err := w.f.store.PutTypes(ctx, types, TypesTTL); err != nil {
		return err
	}
	w.published = time.Now()
	return nil
}
