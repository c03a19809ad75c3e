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

// A scan reads a dead letter queue once, by receiving its letters. It keeps the leases of
// the letters it has read, so that none comes twice, and at its end gives back those that
// were not settled.
type scan struct {
	dead       driver.Queue
	leased     map[driver.Receipt]*driver.Delivery
	extendedAt time.Time // when the leases were last renewed
}

func (s *receiveBackend) startScan(ctx context.Context) (*scan, error) {
	dead, err := s.p.Open(ctx, runtime.QueueConfig{Name: s.q.Config().DLQ}) // only its name: a dead letter queue has no groups and no levels
	if err != nil {
		return nil, err
	}
	return &scan{dead: dead, leased: make(map[driver.Receipt]*driver.Delivery), extendedAt: time.Now()}, nil
}

// next receives up to limit letters, and none when there are no more. While the queue
// counts letters that it does not deliver, next keeps receiving for the length of a
// lease: a busy broker answers late, the count of SQS lags, and letters of a receive
// whose answer was lost are back by then. Letters that are still leased after that are
// in use elsewhere.
func (w *scan) next(ctx context.Context, limit int) ([]*driver.Delivery, error) {
	if len(w.leased) > MaxReceived {
		return nil, fmt.Errorf("%w: there are more than %d letters to read, and the queue lists a letter only by receiving it: have a Processor store them", runtime.ErrUnsupported, MaxReceived)
	}
	for began := time.Now(); ; {
		if err := w.extendLeases(ctx); err != nil {
			return nil, err
		}
		ds, err := w.receive(ctx, limit)
		if !errors.Is(err, driver.ErrNoTasks) {
			return ds, err
		}
		stats, err := w.dead.Stats(ctx)
		none := stats.Ready == 0 && stats.Leased <= int64(len(w.leased))
		if err != nil || none || time.Since(began) > receiveLease {
			return nil, err
		}
	}
}

// receive is one receive.
func (w *scan) receive(ctx context.Context, limit int) ([]*driver.Delivery, error) {
	waiting, cancel := context.WithTimeout(ctx, receiveWait)
	defer cancel()
	ds, err := w.dead.Dequeue(waiting, limit, receiveLease)
	for _, d := range ds {
		w.leased[d.Receipt] = d
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return ds, err
}

// extendLeases renews the leases of the letters received once they are half over. A letter
// whose lease is lost nevertheless comes again.
func (w *scan) extendLeases(ctx context.Context) error {
	if time.Since(w.extendedAt) < receiveLease/2 {
		return nil
	}
	w.extendedAt = time.Now()
	for some := range slices.Chunk(w.leasedDeliveries(), receiveBatch) {
		err := w.dead.Extend(ctx, some, receiveLease)
		for i, d := range some {
			switch e := runtime.ErrorAt(err, i); {
			case errors.Is(e, runtime.ErrLeaseLost):
				delete(w.leased, d.Receipt)
			case e != nil:
				return fmt.Errorf("extend the leases of the letters received: %w", e)
			}
		}
	}
	return nil
}

func (w *scan) leasedDeliveries() []*driver.Delivery { return slices.Collect(maps.Values(w.leased)) }

// waitForRate waits until a limiter admits n letters, and keeps the leases meanwhile.
func (w *scan) waitForRate(ctx context.Context, limiter *rate.Limiter, n int) error {
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
		if err := w.extendLeases(ctx); err != nil {
			return err
		}
	}
	return nil
}

// complete takes letters off the dead letter queue. Errors are per letter.
func (w *scan) complete(ctx context.Context, ds []*driver.Delivery) error {
	if len(ds) == 0 {
		return nil
	}
	err := w.dead.Complete(ctx, ds)
	for i, d := range ds {
		if runtime.ErrorAt(err, i) == nil {
			delete(w.leased, d.Receipt)
		}
	}
	return err
}

// close gives back the letters that are still leased. A lease that has ended needs no release.
func (w *scan) close(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveLease)
	defer cancel()
	for some := range slices.Chunk(w.leasedDeliveries(), receiveBatch) {
		failed := w.dead.Release(ctx, some)
		for i := range some {
			if e := runtime.ErrorAt(failed, i); e != nil && !errors.Is(e, runtime.ErrLeaseLost) {
				err = fmt.Errorf("release the letters read: they return within %s: %w", receiveLease, e)
			}
		}
	}
	return errors.Join(err, w.dead.Close())
}

// A selection says which letters a scan is to find.
type selection struct {
	filter  *Filter
	only    letterRefs
	accept  func(*Letter) bool // decides last; nil: accepts all
	limiter *rate.Limiter
}

// scanMatching calls do with the matching letters of the backend's queue, in one scan. It
// ends early when every letter in only was found.
func (b *Box) scanMatching(ctx context.Context, s *receiveBackend, of selection, do func(w *scan, ds []*driver.Delivery) error) (err error) {
	w, err := s.startScan(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(ctx)) }()
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
			return originQueue(d.Task) != b.name || of.only != nil && (missing[d.Task.ID] == 0 || !of.only.matches(d.Task)) || !of.filter.Matches(&l) || of.accept != nil && !of.accept(&l)
		})
		if len(chosen) == 0 {
			continue
		}
		if err := w.waitForRate(ctx, of.limiter, len(chosen)); err != nil {
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
