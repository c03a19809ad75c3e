package main

import (
	"context"
	"io"
	stdlog "log"
	"time"

	"github.com/RichardKnop/machinery/v2"
	"github.com/RichardKnop/machinery/v2/backends/null"
	machineryredis "github.com/RichardKnop/machinery/v2/brokers/redis"
	"github.com/RichardKnop/machinery/v2/config"
	"github.com/RichardKnop/machinery/v2/locks/eager"
	"github.com/RichardKnop/machinery/v2/log"
	"github.com/RichardKnop/machinery/v2/tasks"
	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/bench/contest"
)

const (
	machineryQueue = "machinery_tasks"
	machineryType  = "noop"
)

func init() {
	quiet := stdlog.New(io.Discard, "", 0)
	log.Set(quiet)
}

// Machinery keeps no results, as few options as it needs, and its default
// intervals. A task that a worker has taken is off the queue: when the worker dies
// the task is lost. The others keep it.
func Machinery() contest.Contender {
	return contest.Contender{
		Name: "machinery",
		Settings: "machinery v2.0.13 with its go-redis broker on go-redis v9.23.0, no result backend, concurrency 32, NormalTasksPollPeriod 1000 and DelayedTasksPollPeriod 20 (its defaults); " +
			"a task is off the queue once a worker has it, and lost with the worker",
		Open: func(_ context.Context, url string) (contest.Queue, error) {
			opts, err := redis.ParseURL(url)
			if err != nil {
				return nil, err
			}
			cfg := &config.Config{
				DefaultQueue:  machineryQueue,
				NoUnixSignals: true,
				Redis:         &config.RedisConfig{NormalTasksPollPeriod: 1000, DelayedTasksPollPeriod: 20},
			}
			return &machineryServer{
				Server: machinery.NewServer(cfg, machineryredis.NewGR(cfg, []string{opts.Addr}, 0), null.New(), eager.New()),
				c:      redis.NewClient(opts),
			}, nil
		},
	}
}

type machineryServer struct {
	*machinery.Server
	c *redis.Client // for counting: stopping the worker closes the broker's own
}

func (q *machineryServer) Enqueue(ctx context.Context) error {
	_, err := q.SendTaskWithContext(ctx, signature(time.Now(), nil))
	return err
}

func (q *machineryServer) EnqueueAt(ctx context.Context, due time.Time) error {
	_, err := q.SendTaskWithContext(ctx, signature(due, &due))
	return err
}

func signature(due time.Time, eta *time.Time) *tasks.Signature {
	return &tasks.Signature{
		Name: machineryType, ETA: eta,
		Args: []tasks.Arg{{Type: "string", Value: string(contest.Payload(due))}},
	}
}

func (q *machineryServer) Work(_ context.Context, handle func(due int64)) (func(context.Context) error, error) {
	err := q.RegisterTask(machineryType, func(payload string) error {
		handle(contest.Due([]byte(payload)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	worker := q.NewWorker("contest", contest.Workers)
	ended := make(chan error, 1)
	worker.LaunchAsync(ended)
	return func(ctx context.Context) error {
		worker.Quit()
		select {
		case err := <-ended:
			return err
		default:
			return nil
		}
	}, nil
}

func (q *machineryServer) Left(ctx context.Context) (int64, error) {
	ready, err := q.c.LLen(ctx, machineryQueue).Result()
	if err != nil {
		return 0, err
	}
	delayed, err := q.c.ZCard(ctx, "delayed_tasks").Result()
	return ready + delayed, err
}

func (q *machineryServer) Close(context.Context) error { return q.c.Close() }
