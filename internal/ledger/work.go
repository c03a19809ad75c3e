package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/taskgen/taskgen/internal/ledger/tasks"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	workers = 8
	grace   = 5 * time.Second
	// timeout is that of the runs of the tasks that package tasks declares.
	timeout = time.Minute
)

func work(ctx context.Context, p runtime.Provider, book *Book, o *Orders) error {
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := openAll(ctx, m, witness{p, book}); err != nil {
		return err
	}
	r := runtime.NewRouter()
	tasks.RegisterHandlers(r, handlers{book})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: o.Name, Workers: workers, Grace: grace})
	if err != nil {
		return err
	}
	return errors.Join(pool.Run(ctx), m.Close())
}

// handlers do what the tasks say, and write it down.
type handlers struct{ book *Book }

func (h handlers) HandlePlain(ctx context.Context, t tasks.PlainTask) error {
	return h.run(ctx, t.Work, false)
}

func (h handlers) HandleOrdered(ctx context.Context, t tasks.OrderedTask) error {
	return h.run(ctx, t.Work, false)
}

func (h handlers) HandleLevel(ctx context.Context, t tasks.LevelTask) error {
	return h.run(ctx, t.Work, false)
}

func (h handlers) HandleUnique(ctx context.Context, t tasks.UniqueTask) error {
	return h.run(ctx, t.Work, false)
}

func (h handlers) HandleDoomed(ctx context.Context, t tasks.DoomedTask) error {
	return h.run(ctx, t.Work, true)
}

func (h handlers) run(ctx context.Context, w tasks.Work, doomed bool) error {
	info, ok := runtime.TaskFromContext(ctx)
	if !ok {
		return errors.New("no task in the context")
	}
	id := info.Task.ID
	h.book.Write(Entry{What: Begun, ID: id, Start: info.Deadline.Add(-timeout)})
	err := pause(ctx, time.Duration(w.Milliseconds)*time.Millisecond)
	if err == nil && (doomed || info.Attempt <= w.Failures) {
		err = errors.New("to fail is what this task is for")
	}
	if err != nil {
		h.book.Write(Entry{What: Failed, ID: id, Text: err.Error()})
		return err
	}
	h.book.Write(Entry{What: Done, ID: id})
	return nil
}

// A witness is a provider whose queues write down what they confirm.
type witness struct {
	runtime.Provider
	book *Book
}

func (w witness) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := w.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return witnessed{q, w.book}, nil
}

type witnessed struct {
	driver.Queue
	book *Book
}

func (q witnessed) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.write(Settled, ds, q.Queue.Complete(ctx, ds))
}

func (q witnessed) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	return q.write(Buried, ds, q.Queue.DeadLetter(ctx, ds))
}

func (q witnessed) write(what string, ds []*driver.Delivery, err error) error {
	for i, d := range ds {
		if runtime.ErrorAt(err, i) == nil {
			q.book.Write(Entry{What: what, ID: d.Task.ID})
		}
	}
	return err
}
