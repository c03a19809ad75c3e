package contenders

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/bench/contest"
)

const rawKey = "raw"

// rawWorkers take a pipeline of messages each. More of them are no faster: Redis
// is busy with these.
const rawWorkers = 4

// Raw is the ceiling: the client alone, with the least that keeps a message
// through a worker's death. A message is leased by LMOVE to a list of the
// worker's own, and acknowledged by LREM from there, in pipelines of 200. Nothing
// takes back what a dead worker holds; there are no ids, delays, retries, counts
// or dead letters.
func Raw() contest.Contender {
	return contest.Contender{
		Name: "go-redis alone",
		Settings: fmt.Sprintf("go-redis v9.23.0: LPUSH, one a call or in pipelines of %d; %d workers that lease by LMOVE and acknowledge by LREM, in pipelines of %d; no queue but the ceiling of one",
			contest.Batch, rawWorkers, contest.Batch),
		Open: func(_ context.Context, url string) (contest.Queue, error) {
			c, err := client(url)
			return &rawQueue{c: c}, err
		},
	}
}

type rawQueue struct {
	c *redis.Client
	n atomic.Int64 // lists of workers so far
}

func (q *rawQueue) Enqueue(ctx context.Context) error {
	return q.c.LPush(ctx, rawKey, contest.Payload(time.Now())).Err()
}

func (q *rawQueue) EnqueueBatch(ctx context.Context, n int) error {
	now := time.Now()
	_, err := q.c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for range n {
			p.LPush(ctx, rawKey, contest.Payload(now))
		}
		return nil
	})
	return err
}

func (q *rawQueue) Work(_ context.Context, handle func(due int64)) (func(context.Context) error, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	errs := make(chan error, rawWorkers)
	for range rawWorkers {
		mine := fmt.Sprintf("%s:active:%d", rawKey, q.n.Add(1))
		workers.Go(func() {
			for ctx.Err() == nil {
				if err := q.work(ctx, mine, handle); err != nil && ctx.Err() == nil {
					errs <- err
					return
				}
			}
		})
	}
	return func(context.Context) error {
		cancel()
		workers.Wait()
		select {
		case err := <-errs:
			return err
		default:
			return nil
		}
	}, nil
}

// work takes one pipeline of messages, or waits for one message.
func (q *rawQueue) work(ctx context.Context, mine string, handle func(due int64)) error {
	// What was taken must be acknowledged, so only the wait for it can be cut short.
	busy := context.WithoutCancel(ctx)
	taken, err := q.c.Pipelined(busy, func(p redis.Pipeliner) error {
		for range contest.Batch {
			p.LMove(busy, rawKey, mine, "RIGHT", "LEFT")
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	var messages []string
	for _, cmd := range taken {
		if m, err := cmd.(*redis.StringCmd).Result(); err == nil {
			messages = append(messages, m)
		}
	}
	if len(messages) == 0 {
		// Not cut short by the context: that would leave a message that came
		// in that moment leased for ever. A second is the shortest there is.
		m, err := q.c.BLMove(busy, rawKey, mine, "RIGHT", "LEFT", time.Second).Result()
		if errors.Is(err, redis.Nil) {
			return nil
		} else if err != nil {
			return err
		}
		messages = append(messages, m)
	}
	for _, m := range messages {
		handle(contest.Due([]byte(m)))
	}
	_, err = q.c.Pipelined(busy, func(p redis.Pipeliner) error {
		for _, m := range messages {
			p.LRem(busy, mine, -1, m) // the oldest is the last: found at once
		}
		return nil
	})
	return err
}

func (q *rawQueue) Left(ctx context.Context) (int64, error) {
	left, err := q.c.LLen(ctx, rawKey).Result()
	for i := range q.n.Load() {
		n, err := q.c.LLen(ctx, fmt.Sprintf("%s:active:%d", rawKey, i+1)).Result()
		if err != nil {
			return 0, err
		}
		left += n
	}
	return left, err
}

func (q *rawQueue) Close(context.Context) error { return q.c.Close() }
