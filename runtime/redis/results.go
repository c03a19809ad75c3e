package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/internal/waiters"
	"github.com/taskgen/taskgen/runtime/driver"
)

// results keeps each result under its own key, which Redis removes when it expires.
type results struct {
	p *Provider

	mu      sync.Mutex
	pubsub  *redis.PubSub // nil until a caller waits
	waiting waiters.Board // by the name of the channel
	changed []string      // channels that got or lost waiters; nothing is sent under mu
	syncing bool          // the goroutine that subscribes is running
	closed  bool
}

func newResults(p *Provider) *results {
	return &results{p: p, waiting: make(waiters.Board)}
}

// Results keeps the results of tasks on the same server, each for its time to live. A
// message wakes Await, over one connection per process.
func (p *Provider) Results() driver.ResultStore { return p.results }

// A stored result is a byte for its kind, and the result or the reason. Beside it is a
// random mark that distinguishes it from an equal one; earlier builds write none.
const (
	storedResult  = "r"
	storedFailure = "f"
)

// stored is a result as it is stored.
func stored(result []byte, failure string) string {
	if failure != "" {
		return storedFailure + failure
	}
	return storedResult + string(result)
}

// readStored undoes stored.
func readStored(id, value string) (driver.StoredResult, error) {
	r := driver.StoredResult{ID: id}
	switch {
	case strings.HasPrefix(value, storedResult):
		r.Result = []byte(value[1:])
	case strings.HasPrefix(value, storedFailure):
		r.Failure = value[1:]
	default:
		return r, fmt.Errorf("the result of task %s: %w", id, errReply)
	}
	return r, nil
}

// markKey is the key of a result's mark, in the same slot of a cluster.
func markKey(result string) string { return result + ":mark" }

// PutResult implements [driver.ResultStore]. A ttl that is not positive means
// driver.DefaultResultRetention.
func (rs *results) PutResult(ctx context.Context, id string, result []byte, failure string, ttl time.Duration) error {
	if ttl <= 0 {
		ttl = driver.DefaultResultRetention
	}
	if err := rs.p.begin(); err != nil {
		return err
	}
	defer rs.p.calls.Done()
	value := stored(result, failure)
	key, mark := resultKey(rs.p.prefix, id), strconv.FormatUint(rand.Uint64(), 36)
	_, err := request(ctx, rs.p, func(ctx context.Context) ([]redis.Cmder, error) {
		return rs.p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			// First: a result with another result's mark is never forgotten.
			pipe.Do(ctx, "SET", markKey(key), mark, "PX", max(durationMillis(ttl), 1))
			pipe.Do(ctx, "SET", key, value, "PX", max(durationMillis(ttl), 1))
			pipe.Publish(ctx, key, "")
			return nil
		})
	})
	if err != nil && isFull(err) {
		// The memory is full, but as a rule a finished task frees more than its result
		// takes: the script may write nevertheless.
		c := &call{script: resultPut, args: []any{"evalsha", resultPut.sha, 2, key, markKey(key), value, mark, max(durationMillis(ttl), 1)}}
		_, err = rs.p.run(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("redis: store the result of task %s: %w", id, err)
	}
	return nil
}

// Await implements [driver.Results].
func (rs *results) Await(ctx context.Context, id string) ([]byte, error) {
	key := resultKey(rs.p.prefix, id)
	// Most results are already there.
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	if value, found, err := rs.get(ctx, id, key); found || err != nil {
		return value, err
	}
	news, err := rs.enter(key)
	if err != nil {
		return nil, err
	}
	defer rs.leave(key, news)
	for {
		// The first news is that the subscription stands: nothing is missed in between.
		// The connection may die silently, so every waiter also checks now and then.
		select {
		case <-tick.C:
		case _, open := <-news:
			if !open {
				return nil, errClosed
			}
		case <-ctx.Done():
			return nil, errNotYet(ctx, id)
		}
		value, found, err := rs.get(ctx, id, key)
		switch {
		case found || err != nil && final(err):
			return value, err
		case ctx.Err() != nil:
			return nil, errNotYet(ctx, id)
		}
	}
}

// final reports whether an error is permanent: it is not one of the connection.
func final(err error) bool {
	var answered redis.Error
	return errors.As(err, &answered) || errors.Is(err, errReply) || errors.Is(err, driver.ErrClosed)
}

func errNotYet(ctx context.Context, id string) error {
	return fmt.Errorf("the result of task %s is not there yet: %w", id, context.Cause(ctx))
}

// get returns the result of a task, or its failure as an error.
func (rs *results) get(ctx context.Context, id, key string) (value []byte, found bool, err error) {
	if err := rs.p.begin(); err != nil {
		return nil, false, err
	}
	defer rs.p.calls.Done()
	there, err := request(ctx, rs.p, func(ctx context.Context) (string, error) { return rs.p.client.Get(ctx, key).Result() })
	switch {
	case errors.Is(err, redis.Nil):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("redis: the result of task %s: %w", id, err)
	}
	r, err := readStored(id, there)
	if err == nil && r.Failure != "" {
		return nil, true, fmt.Errorf("%w: task %s: %s", driver.ErrTaskFailed, id, r.Failure)
	}
	return r.Result, err == nil, err
}

// Peek implements [driver.ResultKeeper], in one round trip for 256 tasks.
func (rs *results) Peek(ctx context.Context, ids []string) ([]driver.StoredResult, error) {
	if err := rs.p.begin(); err != nil {
		return nil, err
	}
	defer rs.p.calls.Done()
	found := make([]driver.StoredResult, 0, len(ids))
	for part := range slices.Chunk(ids, maxScriptTasks) {
		cmds := make([]*redis.SliceCmd, len(part))
		_, err := request(ctx, rs.p, func(ctx context.Context) ([]redis.Cmder, error) {
			return rs.p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for i, id := range part {
					key := resultKey(rs.p.prefix, id)
					cmds[i] = pipe.MGet(ctx, key, markKey(key))
				}
				return nil
			})
		})
		if err != nil {
			return nil, fmt.Errorf("redis: results of tasks: %w", err)
		}
		for i, id := range part {
			r := driver.StoredResult{ID: id}
			if value, there := cmds[i].Val()[0].(string); there {
				if r, err = readStored(id, value); err != nil {
					return nil, fmt.Errorf("redis: results of tasks: %w", err)
				}
				mark, _ := cmds[i].Val()[1].(string)
				r.Version = mark + ":" + value
			}
			found = append(found, r)
		}
	}
	return found, nil
}

// Forget implements [driver.ResultKeeper], in one round trip for 256 tasks.
func (rs *results) Forget(ctx context.Context, old []driver.StoredResult) error {
	if err := rs.p.begin(); err != nil {
		return err
	}
	defer rs.p.calls.Done()
	for part := range slices.Chunk(old, maxScriptTasks) {
		calls := make([]*call, len(part))
		for i, r := range part {
			mark, value, _ := strings.Cut(r.Version, ":")
			key := resultKey(rs.p.prefix, r.ID)
			calls[i] = &call{script: resultForget, args: []any{"evalsha", resultForget.sha, 2, key, markKey(key), value, mark}}
		}
		_, errs := rs.p.runAll(ctx, calls)
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("redis: forget results of tasks: %w", err)
		}
	}
	return nil
}

// enter registers a waiter for a task, and subscribes to its channel.
func (rs *results) enter(channel string) (chan struct{}, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.closed {
		return nil, errClosed
	}
	news, first := rs.waiting.Add(channel)
	if first {
		rs.change(channel)
	} else {
		waiters.Tell(news) // subscribed already, or soon notified
	}
	return news, nil
}

func (rs *results) leave(channel string, news chan struct{}) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if last := rs.waiting.Remove(channel, news); last && !rs.closed {
		rs.change(channel)
	}
}

// change makes the subscriptions follow the waiters. rs.mu is held.
func (rs *results) change(channel string) {
	rs.changed = append(rs.changed, channel)
	if !rs.syncing {
		rs.syncing = true
		go rs.syncSubscriptions()
	}
}

// syncSubscriptions subscribes and unsubscribes until nothing is left to do. It runs in a
// goroutine because the connection may wait for a server that does not answer.
func (rs *results) syncSubscriptions() {
	for {
		rs.mu.Lock()
		if len(rs.changed) == 0 || rs.closed {
			rs.syncing = false
			rs.mu.Unlock()
			return
		}
		if rs.pubsub == nil {
			rs.pubsub = rs.p.blocking.Subscribe(rs.p.ctx)
			go rs.listen(rs.pubsub.ChannelWithSubscriptions())
		}
		var come, gone []string
		for _, channel := range rs.changed {
			if rs.waiting[channel] != nil {
				come = append(come, channel)
			} else {
				gone = append(gone, channel)
			}
		}
		rs.changed = nil
		rs.mu.Unlock()
		// An error is one of the connection: it is made again, with all subscriptions.
		if len(gone) > 0 {
			_ = rs.pubsub.Unsubscribe(rs.p.ctx, gone...)
		}
		if len(come) > 0 {
			_ = rs.pubsub.Subscribe(rs.p.ctx, come...)
		}
	}
}

// listen passes on messages of the connection. They include each new subscription, and
// a broken connection is made again with all of them, so that every waiter reads again
// after it.
func (rs *results) listen(messages <-chan any) {
	for m := range messages {
		switch m := m.(type) {
		case *redis.Message:
			rs.wake(m.Channel)
		case *redis.Subscription:
			rs.wake(m.Channel)
		}
	}
}

func (rs *results) wake(channel string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.waiting.Wake(channel)
}

// close ends every Await.
func (rs *results) close() {
	rs.mu.Lock()
	rs.closed = true
	rs.waiting.Close()
	pubsub := rs.pubsub
	rs.mu.Unlock()
	if pubsub != nil {
		_ = pubsub.Close()
	}
}
