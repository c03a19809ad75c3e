package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/ledger/tasks"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// patience is how long one enqueue may take.
const patience = 20 * time.Second

// A producer enqueues tasks, one after the other.
type producer struct {
	name string
	m    *runtime.Manager
	book *Book
	rng  *rand.Rand
	keys bool // the provider holds unique keys
	n    int
}

func produce(ctx context.Context, p runtime.Provider, book *Book, o *Orders) error {
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := openAll(ctx, m, p); err != nil {
		return err
	}
	q, err := m.Queue("plain")
	if err != nil {
		return err
	}
	one := &producer{name: o.Name, m: m, book: book, rng: rand.New(rand.NewPCG(o.Seed, 1)), keys: q.Capabilities().UniqueUntilDone}
	for ctx.Err() == nil {
		one.enqueue()
		_ = pause(ctx, time.Duration(one.rng.IntN(20))*time.Millisecond)
	}
	return m.Close()
}

// openAll opens the queues, and tries for as long as the broker is away.
func openAll(ctx context.Context, m *runtime.Manager, p runtime.Provider) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, patience)
		err := m.Open(attempt, p, tasks.Queues()...)
		cancel()
		if err == nil || errors.Is(err, driver.ErrQueueMismatch) || errors.Is(err, runtime.ErrUnsupported) {
			return err
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return errors.Join(errEarly, err)
		}
	}
}

// enqueue enqueues one task of a drawn type. The signal to stop does not cut it off.
func (p *producer) enqueue() {
	p.n++
	plan := Entry{What: Planned, ID: fmt.Sprintf("%s-%d", p.name, p.n)}
	work := tasks.Work{Milliseconds: p.rng.IntN(20)}
	switch draw := p.rng.IntN(60); {
	case draw == 0:
		work.Milliseconds = 4000 // longer than a lease
	case draw < 7:
		work.Failures = 1 + p.rng.IntN(2)
	case draw < 10:
		work.Ballast = strings.Repeat("x", p.rng.IntN(100_000))
	}
	opts := []runtime.EnqueueOption{runtime.WithID(plan.ID)}
	var send func(ctx context.Context) (runtime.Enqueued, error)
	switch draw := p.rng.IntN(10); {
	case draw < 3:
		plan.Type = tasks.TypeOrdered
		plan.Group = fmt.Sprintf("%s-%d", p.name, p.rng.IntN(4)) // a group has one producer, so that its order is known
		task := tasks.OrderedTask{Work: work, Group: plan.Group}
		send = func(ctx context.Context) (runtime.Enqueued, error) {
			return tasks.EnqueueOrdered(ctx, p.m, task, opts...)
		}
	case draw < 5:
		plan.Type = tasks.TypeLevel
		opts = append(opts, runtime.WithPriority(p.rng.IntN(3)))
		send = func(ctx context.Context) (runtime.Enqueued, error) {
			return tasks.EnqueueLevel(ctx, p.m, tasks.LevelTask{Work: work}, opts...)
		}
	case draw == 5 && p.keys:
		plan.Type, plan.Key = tasks.TypeUnique, fmt.Sprintf("key-%d", p.rng.IntN(50))
		task := tasks.UniqueTask{Work: work, Key: plan.Key}
		send = func(ctx context.Context) (runtime.Enqueued, error) {
			return tasks.EnqueueUnique(ctx, p.m, task, opts...)
		}
	case draw == 6:
		plan.Type = tasks.TypeDoomed
		send = func(ctx context.Context) (runtime.Enqueued, error) {
			return tasks.EnqueueDoomed(ctx, p.m, tasks.DoomedTask{Work: tasks.Work{}}, opts...)
		}
	default:
		plan.Type = tasks.TypePlain
		if p.rng.IntN(4) == 0 {
			plan.Due = time.Now().Add(time.Duration(p.rng.IntN(5000)) * time.Millisecond)
			opts = append(opts, runtime.WithTime(plan.Due))
		}
		send = func(ctx context.Context) (runtime.Enqueued, error) {
			return tasks.EnqueuePlain(ctx, p.m, tasks.PlainTask{Work: work}, opts...)
		}
	}
	p.book.Write(plan)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := send(ctx)
	said := Entry{What: Accepted, ID: plan.ID}
	switch {
	case err == nil && got.Duplicate && got.ID != plan.ID:
		said.What = Duplicate
	case err == nil:
	case refused(err):
		said.What, said.Text = Refused, err.Error()
	default:
		said.What, said.Text = Unknown, err.Error()
	}
	p.book.Write(said)
}

// refused reports whether an error of Enqueue says that nothing was enqueued.
func refused(err error) bool {
	for _, known := range []error{runtime.ErrQueueFull, runtime.ErrInvalidTask, runtime.ErrUnsupported, runtime.ErrPayloadTooLarge, runtime.ErrClosed} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
