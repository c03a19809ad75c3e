package sqlite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/taskgen/taskgen/internal/waiters"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// One row by the index of ids and its entries in both indexes. A new row replaces an
	// old one, so that n grows.
	sqlResultPut = `INSERT OR REPLACE INTO taskgen_result (until, id, failure, data) VALUES (?, ?, ?, ?)`
	// One row by the index of ids.
	sqlResultGet = `SELECT data, failure, n FROM taskgen_result WHERE until > ? AND id = ?`
	// One row by the index of ids, and its entries in both indexes.
	sqlResultForget = `DELETE FROM taskgen_result WHERE n = ? AND id = ?`
	// The rows that are new since the last poll, by their key.
	sqlResultNew  = `SELECT n, id FROM taskgen_result WHERE n > ? ORDER BY n`
	sqlResultLast = `SELECT max(n) FROM taskgen_result`
)

// results keeps results in the provider's file.
type results struct {
	p *Provider

	mu          sync.Mutex
	waiting     waiters.Board // by task ID
	closed      bool
	wakeWatcher chan struct{} // signals the watcher that there are waiters

	// Only the watcher uses both.
	seen     int64 // the newest result that poll has seen
	followed bool  // poll has not missed a result since seen
}

func newResults(p *Provider) *results {
	return &results{p: p, waiting: make(waiters.Board), wakeWatcher: make(chan struct{}, 1)}
}

// Results keeps the results of tasks in the same file. A result wakes an Await in this
// process at once, and one in another process within a few milliseconds. Expired results
// are removed together with other work of the provider.
func (p *Provider) Results() driver.ResultStore { return p.results }

// PutResult implements [driver.ResultStore]. A ttl that is not positive means
// driver.DefaultResultRetention.
func (rs *results) PutResult(ctx context.Context, id string, result []byte, failure string, ttl time.Duration) error {
	if ttl <= 0 {
		ttl = driver.DefaultResultRetention
	}
	err := rs.p.writer.do(ctx, 1, func(t *tx) {
		s := t.prepare(sqlResultPut, []int64{after(t.now, ttl)})
		if s == nil {
			return
		}
		s.BindText(2, id)
		s.BindText(3, failure)
		s.BindBytes(4, result)
		t.run(s)
	})
	if err != nil {
		return fmt.Errorf("store the result of task %s: %w", id, err)
	}
	rs.wake(id)
	return nil
}

// Await implements [driver.Results].
func (rs *results) Await(ctx context.Context, id string) ([]byte, error) {
	news, err := rs.enter(id)
	if err != nil {
		return nil, err
	}
	defer rs.leave(id, news)
	for {
		data, failure, found, err := rs.get(ctx, id)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the result of task %s: %w", id, err)
		case found && failure != "":
			return nil, fmt.Errorf("%w: task %s: %s", driver.ErrTaskFailed, id, failure)
		case found:
			return data, nil
		}
		select {
		case _, open := <-news:
			if !open {
				return nil, errClosed
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("the result of task %s is not there yet: %w", id, context.Cause(ctx))
		}
	}
}

func (rs *results) get(ctx context.Context, id string) (data []byte, failure string, found bool, err error) {
	now := rs.p.clock.Now().UnixNano()
	err = rs.p.reader.do(ctx, now, func(t *tx) {
		r := t.queryText(sqlResultGet, id, now)
		if found = r.next(); found {
			data, failure = r.bytes(0), r.text(1)
		}
		r.done()
	})
	return data, failure, found, err
}

// Peek implements [driver.ResultKeeper].
func (rs *results) Peek(ctx context.Context, ids []string) ([]driver.StoredResult, error) {
	found := make([]driver.StoredResult, len(ids))
	now := rs.p.clock.Now().UnixNano()
	err := rs.p.reader.do(ctx, now, func(t *tx) {
		for i, id := range ids {
			found[i] = driver.StoredResult{ID: id}
			r := t.queryText(sqlResultGet, id, now)
			if r.next() {
				found[i].Failure, found[i].Version = r.text(1), strconv.FormatInt(r.int(2), 10)
				if found[i].Failure == "" {
					found[i].Result = r.bytes(0)
				}
			}
			r.done()
		}
	})
	if err != nil {
		return nil, fmt.Errorf("results of tasks: %w", err)
	}
	return found, nil
}

// Forget implements [driver.ResultKeeper].
func (rs *results) Forget(ctx context.Context, old []driver.StoredResult) error {
	err := rs.p.writer.do(ctx, len(old), func(t *tx) {
		for _, o := range old {
			if n, err := strconv.ParseInt(o.Version, 10, 64); err == nil {
				t.execText(sqlResultForget, o.ID, n)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("forget results of tasks: %w", err)
	}
	return nil
}

// enter registers a waiter for a task. It comes before the first read, so that no result
// is missed in between.
func (rs *results) enter(id string) (chan struct{}, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.closed {
		return nil, errClosed
	}
	news, _ := rs.waiting.Add(id)
	waiters.Tell(rs.wakeWatcher)
	return news, nil
}

func (rs *results) leave(id string, news chan struct{}) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.waiting.Remove(id, news)
}

func (rs *results) wake(id string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.waiting.Wake(id)
}

func (rs *results) hasWaiters() bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.waiting) > 0
}

func (rs *results) waitingIDs() []string {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return slices.Collect(maps.Keys(rs.waiting))
}

// poll wakes the waiters for the results that have arrived since the last poll. After a
// time without waiters it does not read all results of that time, but wakes all waiters.
// Only the watcher calls it.
func (rs *results) poll(r *reader) error {
	if !rs.hasWaiters() {
		rs.followed = false
		return nil
	}
	seen := rs.seen
	var ids []string
	err := r.do(context.Background(), 0, func(t *tx) {
		if !rs.followed {
			row := t.query(sqlResultLast)
			if row.next() {
				seen = row.int(0)
			}
			row.done()
			return
		}
		for row := t.query(sqlResultNew, seen); row.next(); {
			seen = row.int(0)
			ids = append(ids, row.text(1))
		}
	})
	if err != nil {
		return err
	}
	if !rs.followed {
		// Only now: a waiter that came since the last result was read may have missed it,
		// and one that comes after this reads for itself.
		ids = rs.waitingIDs()
	}
	rs.seen, rs.followed = seen, true
	for _, id := range ids {
		rs.wake(id)
	}
	return nil
}

// close ends every Await.
func (rs *results) close() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.closed = true
	rs.waiting.Close()
}
