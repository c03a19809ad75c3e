//go:build unix

package ledger

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/ledger/tasks"
	"github.com/taskgen/taskgen/runtime"
)

// settle has the producers stop, waits until all that was accepted is done or dead, and
// has the workers stop.
func (r *chaos) settle(ctx context.Context) error {
	over := time.Now()
	for _, s := range r.slots[:producers] {
		r.stop(s)
	}
	least := math.MaxInt
	for end := time.Now(); ; {
		entries, err := Read(r.books())
		if err != nil {
			return err
		}
		left := Pending(entries)
		if left == 0 {
			break
		}
		if left < least {
			least, end = left, time.Now().Add(drained)
		}
		if time.Now().After(end) {
			r.report("%d tasks were neither done nor dead, and that did not change for %s", left, drained)
			break
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	done := time.Now()
	if err := r.empty(ctx); err != nil {
		return err
	}
	r.Logf("all was done %s after the last fault, and the queues were empty %s later", done.Sub(over).Round(time.Millisecond), time.Since(done).Round(time.Millisecond))
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

// empty waits until the queues count nothing: neither what nobody accepted and the
// broker has, nor a lease.
func (r *chaos) empty(ctx context.Context) error {
	if err := r.nothing(ctx, r.broker.waits); err != nil {
		return err
	}
	p, err := Open(ctx, r.Provider, r.broker.address, r.prefix)
	if err != nil {
		return err
	}
	defer p.Close()
	for _, cfg := range tasks.Queues() {
		q, err := p.Open(ctx, cfg)
		if err != nil {
			return err
		}
		for end := time.Now().Add(drained); ; {
			n, err := q.Stats(ctx)
			if err == nil && n.Ready+n.Scheduled+n.Leased == 0 {
				break
			}
			if time.Now().After(end) {
				r.report("queue %s counts %d ready, %d scheduled and %d leased in the end (%v)", cfg.Name, n.Ready, n.Scheduled, n.Leased, err)
				break
			}
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
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
			r.report("left behind on the broker: %s", strings.Join(left, "; "))
			return nil
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// inspect takes what is on the dead letter queues and writes it down, until nothing is
// left on the broker, and looks whether a unique key is still taken.
func (r *chaos) inspect(ctx context.Context) (can runtime.Capabilities, err error) {
	err = r.nothing(ctx, func(ctx context.Context, prefix string) (left []string, err error) {
		if can, err = r.exhume(ctx); err != nil {
			return nil, err
		}
		return r.broker.remains(ctx, prefix)
	})
	if err != nil {
		return can, err
	}
	return can, r.keysAreFree(ctx)
}

// exhume empties the dead letter queues, and says what a queue can do.
func (r *chaos) exhume(ctx context.Context) (can runtime.Capabilities, err error) {
	book, err := OpenBook(r.books(), "inspector")
	if err != nil {
		return can, err
	}
	defer book.Close()
	p, err := Open(ctx, r.Provider, r.broker.address, r.prefix)
	if err != nil {
		return can, err
	}
	m := runtime.NewManager(runtime.ManagerConfig{})
	defer func() { err = errors.Join(err, m.Close(), p.Close()) }()
	if err := m.Open(ctx, p, tasks.Queues()...); err != nil {
		return can, err
	}
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
			if errors.Is(err, runtime.ErrNoTasks) {
				break
			}
			if err != nil {
				return can, err
			}
			for _, d := range ds {
				book.Write(Entry{What: Dead, ID: d.Task.ID, Text: d.Task.Metadata[runtime.MetaFailureReason]})
			}
			if err := dead.Complete(ctx, ds); err != nil {
				return can, err
			}
		}
	}
	return can, nil
}

// keysAreFree looks whether a unique key is still taken.
func (r *chaos) keysAreFree(ctx context.Context) error {
	entries, err := Read(r.books())
	if err != nil {
		return err
	}
	p, err := Open(ctx, r.Provider, r.broker.address, r.prefix)
	if err != nil {
		return err
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, tasks.Queues()...); err != nil {
		return err
	}
	defer m.Close()
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
