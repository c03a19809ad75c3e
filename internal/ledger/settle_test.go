//go:build unix

package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/ledger/tasks"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// settle has the producers stop, waits until all that was accepted is done or dead and
// the queues are empty, and has the workers stop.
func (r *chaos) settle(ctx context.Context) (err error) {
	over := time.Now()
	for _, s := range r.slots[:producers] {
		r.stop(s)
	}
	p, err := Open(ctx, r.Provider, r.broker.address, r.prefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	waits, last, since := "", "", time.Now()
	for {
		entries, err := Read(r.books())
		if err != nil {
			return err
		}
		// One that died may be there until the dead letters are read: a worker that is
		// killed does not write down what it buried last.
		left, still := Pending(entries), time.Since(since)
		if len(left) == 0 || still > 5*time.Second {
			if waits, err = r.waits(ctx, p); err != nil {
				return err
			}
			if waits == "" {
				break
			}
		}
		if now := fmt.Sprint(len(left), waits); now != last {
			last, since = now, time.Now()
		}
		if still > drained {
			r.report("%d tasks are neither done nor dead at %s, and nothing has changed for %s: %s: %s", len(left), clock(time.Now()), drained, waits, some(left))
			break
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	r.Logf("the queues were empty %s after the last fault", time.Since(over).Round(time.Millisecond))
	for _, s := range r.slots[producers:] {
		r.stop(s)
	}
	for _, s := range r.slots {
		for _, p := range s.ways {
			p.Cut() // connections that were swallowed do not outlive their process
		}
	}
	return nil
}

// waits returns what the queues count, or "": also what nobody accepted and the broker
// has, and leases.
func (r *chaos) waits(ctx context.Context, p runtime.Provider) (string, error) {
	var all []string
	if r.broker.waits != nil {
		left, err := r.broker.waits(ctx, r.prefix)
		if err != nil {
			return "", err
		}
		all = left
	}
	for _, cfg := range tasks.Queues() {
		q, err := p.Open(ctx, cfg)
		if err != nil {
			return "", err
		}
		n, err := q.Stats(ctx)
		if err != nil || n.Ready+n.Scheduled+n.Leased > 0 {
			all = append(all, fmt.Sprintf("%s counts %d ready, %d scheduled, %d leased (%v)", cfg.Name, n.Ready, n.Scheduled, n.Leased, err))
		}
		if err := q.Close(); err != nil {
			return "", err
		}
	}
	return strings.Join(all, "; "), nil
}

// nothing waits until the broker itself shows nothing that should not be there.
func (r *chaos) nothing(ctx context.Context, look func(ctx context.Context, prefix string) ([]string, error)) error {
	if look == nil {
		return nil
	}
	for end := time.Now().Add(drained); ; {
		left, err := look(ctx, r.prefix)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			r.report("left behind on the broker: %s", some(left))
			return nil
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// open opens the queues straight, as no process does while faults happen.
func (r *chaos) open(ctx context.Context) (runtime.Provider, *runtime.Manager, error) {
	p, err := Open(ctx, r.Provider, r.broker.address, r.prefix)
	if err != nil {
		return nil, nil, err
	}
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, tasks.Queues()...); err != nil {
		return nil, nil, errors.Join(err, m.Close(), p.Close())
	}
	return p, m, nil
}

// inspect takes what is on the dead letter queues and writes it down, until nothing is
// left on the broker, and looks whether a unique key is still taken.
func (r *chaos) inspect(ctx context.Context) (can driver.Capabilities, err error) {
	err = r.nothing(ctx, func(ctx context.Context, prefix string) (left []string, err error) {
		if can, err = r.exhume(ctx); err != nil {
			return nil, err
		}
		return r.broker.remains(ctx, prefix)
	})
	if err != nil {
		return can, err
	}
	p, m, err := r.open(ctx)
	if err != nil {
		return can, err
	}
	defer func() { err = errors.Join(err, m.Close(), p.Close()) }()
	if err := r.keysAreFree(ctx, m); err != nil {
		return can, err
	}
	return can, r.sees(ctx, m)
}

// sees puts a task on each queue, and looks whether that is noticed: a broker that shows
// nothing proves nothing else.
func (r *chaos) sees(ctx context.Context, m *runtime.Manager) error {
	_, plain := tasks.EnqueuePlain(ctx, m, tasks.PlainTask{})
	_, ordered := tasks.EnqueueOrdered(ctx, m, tasks.OrderedTask{Group: "group"})
	_, level := tasks.EnqueueLevel(ctx, m, tasks.LevelTask{})
	if err := errors.Join(plain, ordered, level); err != nil {
		return err
	}
	return r.nothing(ctx, func(ctx context.Context, prefix string) (unseen []string, err error) {
		left, err := r.broker.remains(ctx, prefix)
		for _, q := range tasks.Queues() {
			// Rows of SQLite do not tell the queue.
			if text := strings.Join(left, "; "); text == "" || r.Provider != "sqlite" && !strings.Contains(text, q.Name) {
				unseen = append(unseen, "a task on "+q.Name+", and nobody sees it")
			}
		}
		return unseen, err
	})
}

// exhume empties the dead letter queues, and says what a queue can do.
func (r *chaos) exhume(ctx context.Context) (can driver.Capabilities, err error) {
	book, err := OpenBook(r.books(), "inspector")
	if err != nil {
		return can, err
	}
	defer book.Close()
	p, m, err := r.open(ctx)
	if err != nil {
		return can, err
	}
	defer func() { err = errors.Join(err, m.Close(), p.Close()) }()
	for _, cfg := range tasks.Queues() {
		q, err := m.Queue(cfg.Name)
		if err != nil {
			return can, err
		}
		can = q.Capabilities()
		dead, err := p.Open(ctx, runtime.QueueConfig{Name: q.Config().DLQ})
		if err != nil {
			return can, err
		}
		for {
			brief, cancel := context.WithTimeout(ctx, time.Second)
			ds, err := dead.Dequeue(brief, 100, time.Minute)
			cancel()
			if errors.Is(err, driver.ErrNoTasks) {
				break
			}
			if err != nil {
				return can, err
			}
			for _, d := range ds {
				book.Write(Entry{What: Dead, ID: d.Task.ID, Text: d.Task.Metadata[driver.MetaFailureReason]})
			}
			if err := dead.Complete(ctx, ds); err != nil {
				return can, err
			}
		}
	}
	return can, nil
}

// keysAreFree looks whether a unique key is still taken.
func (r *chaos) keysAreFree(ctx context.Context, m *runtime.Manager) error {
	entries, err := Read(r.books())
	if err != nil {
		return err
	}
	tried := make(map[string]bool)
	for _, e := range entries {
		if e.Key == "" || tried[e.Key] {
			continue
		}
		tried[e.Key] = true
		got, err := tasks.EnqueueUnique(ctx, m, tasks.UniqueTask{Key: e.Key})
		if err != nil {
			return err
		}
		if got.Duplicate {
			r.report("the unique key %s is taken by %s, and the queue is empty", e.Key, got.ID)
		}
	}
	return nil
}
