package pool

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// idlePause keeps the fetcher from asking in a hot loop if a queue answers "no
	// tasks" without waiting.
	idlePause = 10 * time.Millisecond
	// aheadWait bounds a Dequeue for which no worker waits: when it returns tasks, the
	// workers may be busy for long. It leaves room for a receive of a whole second.
	aheadWait = 1100 * time.Millisecond
)

// A fetcher leases the tasks of a queue ahead of the workers, as its pace says. The
// monitor guards its pace.
type fetcher struct {
	pace
	mon    *monitor
	queue  driver.Queue
	name   string
	lease  time.Duration
	shared bool // the workers choose between queues

	// What it needs of its consumer.
	//
	// roomLocked is how many tasks to fetch now: if none, notifyLocked is called once
	// there may be room. separate, called without the mutex, splits fetched tasks into
	// those that may run and those that go back; insertLocked takes both.
	roomLocked   func(now time.Time) int
	separate     func(ds []*driver.Delivery) (kept, back []*driver.Delivery)
	insertLocked func(kept, back []*driver.Delivery)

	wake chan struct{} // capacity 1
}

// init sets what depends on the queue.
func (f *fetcher) init(q driver.Queue, p pace) {
	cfg := q.Config()
	f.pace, f.queue, f.name, f.lease = p, q, cfg.Name, cfg.Visibility
	f.wake = make(chan struct{}, 1)
}

// notifyLocked makes a fetcher that waits for room ask again, if few enough tasks are
// buffered.
func (f *fetcher) notifyLocked(buffered int) {
	if !f.waiting || !f.lowLocked(buffered) {
		return
	}
	now := time.Now()
	if f.roomLocked(now) <= 0 {
		return
	}
	f.waiting = false
	f.startsFetchLocked(now)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run is the fetcher's goroutine. It ends with ctx, which it passes to Dequeue.
func (f *fetcher) run(ctx context.Context) {
	var failing backoff
	if f.shared {
		f.timeTrip(ctx)
	}
	for ctx.Err() == nil {
		now := time.Now()
		n, idle := f.ask(now)
		if n <= 0 {
			select {
			case <-f.wake:
			case <-ctx.Done():
			}
			continue
		}
		rest, err := f.fetch(ctx, n, idle, now)
		switch {
		case ctx.Err() != nil:
		case err != nil && !errors.Is(err, driver.ErrNoTasks):
			if errors.Is(err, driver.ErrClosed) {
				f.mon.logger().Error("queue is closed: nothing more is fetched from it", slog.String("queue", f.name), slog.Any("error", err))
				return
			}
			if failing.streak == 0 {
				f.mon.logger().Error("cannot fetch tasks, will keep trying", slog.String("queue", f.name), slog.Any("error", err))
			}
			sleep(ctx, failing.next(maxFetchPause))
		default:
			if failing.streak > 0 {
				f.mon.logger().Info("fetching tasks again", slog.String("queue", f.name), slog.Int("failures", failing.streak))
				failing.streak = 0
			}
			if rest {
				sleep(ctx, idlePause)
			}
		}
	}
}

// ask returns how many tasks to fetch now, and whether workers wait for them.
func (f *fetcher) ask(now time.Time) (n int, idle bool) {
	f.mon.Lock()
	defer f.mon.Unlock()
	n = f.roomLocked(now)
	if f.waiting = n <= 0; !f.waiting {
		f.startsFetchLocked(now)
	}
	return n, f.mon.freeLocked() > 0
}

// waitingLocked reports whether the fetcher waits for room.
func (f *fetcher) waitingLocked() bool { return f.waiting }

// fetch makes one call of Dequeue, for up to n tasks. It reports whether to rest next,
// because the queue answers without waiting.
func (f *fetcher) fetch(ctx context.Context, n int, idle bool, began time.Time) (rest bool, err error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if !idle {
		waiting, cancel = context.WithTimeout(ctx, aheadWait)
	}
	came, err := f.queue.Dequeue(waiting, n, f.lease)
	cancel()
	took := time.Since(began)
	kept, back := f.separate(came)

	f.mon.Lock()
	defer f.mon.unlockAndLog()
	if err == nil || errors.Is(err, driver.ErrNoTasks) {
		f.broughtLocked(came, n, took, began.Add(took))
	} else {
		f.failedLocked(n)
	}
	f.insertLocked(kept, back)
	if f.shared {
		f.mon.wakeAllLocked() // workers may have waited for this answer
	}
	// A full answer whose tasks all go back may have others behind it: no rest then.
	return len(kept) == 0 && len(came) < n && took < idlePause, err
}

// timeTrip measures a round trip before the first Dequeue: on an idle queue a Dequeue
// waits, and shows nothing.
func (f *fetcher) timeTrip(ctx context.Context) {
	began := time.Now()
	if _, err := f.queue.Stats(ctx); err != nil {
		return // Dequeue will report the error
	}
	took := time.Since(began)
	f.mon.Lock()
	defer f.mon.Unlock()
	f.trip = min(f.trip, took)
	f.mon.wakeAllLocked() // workers may be waiting for longer than that
}
