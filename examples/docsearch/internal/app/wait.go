package app

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// remaining are the tasks on all queues that are not done.
type remaining struct{ driver.Stats }

func (r remaining) live() int64  { return r.Ready + r.Scheduled + r.Leased }
func (r remaining) total() int64 { return r.live() + r.Dead }

func (r remaining) String() string {
	return fmt.Sprintf("%d ready, %d scheduled, %d leased, %d dead", r.Ready, r.Scheduled, r.Leased, r.Dead)
}

// left counts what is not done. The queues are counted in the order that tasks go through
// them: a task enqueues the next before it is completed, so that none slips past between
// two questions.
func (a *app) left(ctx context.Context) (remaining, error) {
	var sum remaining
	for _, name := range flow {
		q, err := a.manager.Queue(name)
		if err != nil {
			return sum, err
		}
		s, err := q.Stats(ctx)
		if err != nil {
			return sum, fmt.Errorf("count the tasks on queue %q: %w", name, err)
		}
		sum.Ready += s.Ready
		sum.Scheduled += s.Scheduled
		sum.Leased += s.Leased
		sum.Dead += s.Dead
	}
	return sum, nil
}

// look is how often untilIdle looks. Counting costs the same however many tasks
// there are.
const look = 50 * time.Millisecond

// quiet is how long a broker that does not count delayed tasks has to look empty: longer
// than any retry waits.
const quiet = 3 * time.Second

// countsAll reports whether the queues count the tasks that wait for a retry.
func (a *app) countsAll() (bool, error) {
	for _, name := range flow {
		q, err := a.manager.Queue(name)
		if err != nil {
			return false, err
		}
		if !q.Capabilities().CountsScheduled {
			return false, nil
		}
	}
	return true, nil
}

// untilIdle shows the progress until every task is completed or dead.
func (a *app) untilIdle(ctx context.Context) error {
	all, err := a.countsAll()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	busy := time.Now() // when there was something left, or something was done, last
	done := a.stats.Done()
	for {
		r, err := a.left(ctx)
		if err != nil {
			return err
		}
		if now := a.stats.Done(); r.live() > 0 || now != done {
			busy, done = time.Now(), now
		}
		if r.live() == 0 && (all || time.Since(busy) > quiet) {
			a.progress.Clear()
			return nil
		}
		a.progress.Show(done, done+int(r.live()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
