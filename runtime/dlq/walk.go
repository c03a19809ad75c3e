package dlq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A walk goes through a dead letter queue once, by receiving what is there. It
// keeps the leases of what it has seen, so that nothing comes twice, and gives back
// at its end what was not settled.
type walk struct {
	dead driver.Queue
	held map[driver.Receipt]*driver.Delivery
	kept time.Time // when the leases were last renewed
}

func (s *receivingShelf) walk(ctx context.Context) (*walk, error) {
	dead, err := s.p.Open(ctx, runtime.QueueConfig{Name: s.q.Config().DLQ}) // its name alone: a dead letter queue has no groups and no levels
	if err != nil {
		return nil, err
	}
	return &walk{dead: dead, held: make(map[driver.Receipt]*driver.Delivery), kept: time.Now()}, nil
}

// next receives up to limit letters. It returns none when there are no more. Where the
// queue counts letters that it does not give it goes on to look until a lease of a walk
// has passed: a busy broker answers late, the count of SQS is that of a while ago, and
// what a receive hid whose answer was lost is back by then. What is still leased after
// that is in use elsewhere.
func (w *walk) next(ctx context.Context, limit int) ([]*driver.Delivery, error) {
	if len(w.held) > MaxReceived {
		return nil, fmt.Errorf("%w: there are more than %d letters to read, and the queue lists a letter only by receiving it: have a Processor store them", runtime.ErrUnsupported, MaxReceived)
	}
	for began := time.Now(); ; {
		if err := w.keep(ctx); err != nil {
			return nil, err
		}
		ds, err := w.look(ctx, limit)
		if !errors.Is(err, driver.ErrNoTasks) {
			return ds, err
		}
		stats, err := w.dead.Stats(ctx)
		none := stats.Ready == 0 && stats.Leased <= int64(len(w.held))
		if err != nil || none || time.Since(began) > receiveLease {
			return nil, err
		}
	}
}

// look is one receive.
func (w *walk) look(ctx context.Context, limit int) ([]*driver.Delivery, error) {
	waiting, cancel := context.WithTimeout(ctx, receiveWait)
	defer cancel()
	ds, err := w.dead.Dequeue(waiting, limit, receiveLease)
	for _, d := range ds {
		w.held[d.Receipt] = d
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return ds, err
}

// keep renews the leases of what is held, once they are half over. A lease that is
// lost nevertheless brings its letter once more.
func (w *walk) keep(ctx context.Context) error {
	if time.Since(w.kept) < receiveLease/2 {
		return nil
	}
	w.kept = time.Now()
	for some := range slices.Chunk(w.all(), receiveBatch) {
		err := w.dead.Extend(ctx, some, receiveLease)
		for i, d := range some {
			switch e := runtime.ErrorAt(err, i); {
			case errors.Is(e, runtime.ErrLeaseLost):
				delete(w.held, d.Receipt)
			case e != nil:
				return fmt.Errorf("extend the leases of the letters received: %w", e)
			}
		}
	}
	return nil
}

func (w *walk) all() []*driver.Delivery { return slices.Collect(maps.Values(w.held)) }

// await waits until a limiter lets n letters through, and keeps the leases
// meanwhile.
func (w *walk) await(ctx context.Context, limiter *rate.Limiter, n int) error {
	left := limiter.ReserveN(time.Now(), n).Delay()
	for left > 0 {
		step := min(left, receiveLease/2)
		t := time.NewTimer(step)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
		left -= step
		if err := w.keep(ctx); err != nil {
			return err
		}
	}
	return nil
}

// complete takes letters off the dead letter queue. The errors are those of single
// letters.
func (w *walk) complete(ctx context.Context, ds []*driver.Delivery) error {
	if len(ds) == 0 {
		return nil
	}
	err := w.dead.Complete(ctx, ds)
	for i, d := range ds {
		if runtime.ErrorAt(err, i) == nil {
			delete(w.held, d.Receipt)
		}
	}
	return err
}

// end gives back what is held. A lease that has ended needs no release.
func (w *walk) end(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveLease)
	defer cancel()
	for some := range slices.Chunk(w.all(), receiveBatch) {
		failed := w.dead.Release(ctx, some)
		for i := range some {
			if e := runtime.ErrorAt(failed, i); e != nil && !errors.Is(e, runtime.ErrLeaseLost) {
				err = fmt.Errorf("release the letters read: they return within %s: %w", receiveLease, e)
			}
		}
	}
	return errors.Join(err, w.dead.Close())
}

// A sieve is what a walk looks for.
type sieve struct {
	filter  *Filter
	only    addresses
	also    func(*Letter) bool // has the last word; nil: none
	limiter *rate.Limiter
}

// sift does something with the letters of the shelf's queue that are looked for, in
// one walk. It ends early when all that only names was found.
func (b *Box) sift(ctx context.Context, s *receivingShelf, of sieve, do func(w *walk, ds []*driver.Delivery) error) (err error) {
	w, err := s.walk(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.end(ctx)) }()
	missing := make(map[string]int, len(of.only))
	for id, as := range of.only {
		missing[id] = len(as)
	}
	for of.only == nil || len(missing) > 0 {
		ds, err := w.next(ctx, of.limiter.Burst())
		if err != nil || len(ds) == 0 {
			return err
		}
		chosen := slices.DeleteFunc(ds, func(d *driver.Delivery) bool {
			l := b.letter(d.Task)
			return origin(d.Task) != b.name || of.only != nil && (missing[d.Task.ID] == 0 || !of.only.name(d.Task)) || !of.filter.Matches(&l) || of.also != nil && !of.also(&l)
		})
		if len(chosen) == 0 {
			continue
		}
		if err := w.await(ctx, of.limiter, len(chosen)); err != nil {
			return err
		}
		for _, d := range chosen {
			if missing[d.Task.ID]--; missing[d.Task.ID] <= 0 {
				delete(missing, d.Task.ID)
			}
		}
		if err := do(w, chosen); err != nil {
			return err
		}
	}
	return nil
}
