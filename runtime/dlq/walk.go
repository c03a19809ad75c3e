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

// A walk reads a dead letter queue once, by receiving its letters. It keeps the leases of
// the letters it has read, so that none comes twice, and at its end gives back those that
// were not settled.
type walk struct {
	dead driver.Queue
	held map[driver.Receipt]*driver.Delivery
	kept time.Time // when the leases were last renewed
}

func (s *receivingShelf) walk(ctx context.Context) (*walk, error) {
	dead, err := s.p.Open(ctx, runtime.QueueConfig{Name: s.q.Config().DLQ}) // only its name: a dead letter queue has no groups and no levels
	if err != nil {
		return nil, err
	}
	return &walk{dead: dead, held: make(map[driver.Receipt]*driver.Delivery), kept: time.Now()}, nil
}

// next receives up to limit letters, and none when there are no more. While the queue
// counts letters that it does not deliver, next keeps receiving for the length of a
// lease: a busy broker answers late, the count of SQS lags, and letters of a receive
// whose answer was lost are back by then. Letters that are still leased after that are
// in use elsewhere.
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

// keep renews the leases of the held letters once they are half over. A letter whose
// lease is lost nevertheless comes again.
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

// await waits until a limiter admits n letters, and keeps the leases meanwhile.
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

// complete takes letters off the dead letter queue. Errors are per letter.
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

// end gives back the held letters. A lease that has ended needs no release.
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

// A sieve says which letters a walk is to find.
type sieve struct {
	filter  *Filter
	only    addresses
	also    func(*Letter) bool // decides last; nil: accepts all
	limiter *rate.Limiter
}

// sift calls do with the matching letters of the shelf's queue, in one walk. It ends
// early when every letter that only names was found.
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
