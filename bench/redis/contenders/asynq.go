package contenders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"

	"github.com/taskgen/taskgen/bench/contest"
)

const asynqSettings = "asynq v0.26.0 on go-redis v9.23.0, Concurrency 32 (its throughput does not depend on it: one goroutine takes the tasks, one by one), " +
	"a connection for every goroutine, tasks with their default options and without retention; it has no batch enqueue in a release"

// Asynq is asynq with the intervals of its defaults: an empty queue is looked at
// about every second, delayed tasks every 5 seconds.
func Asynq() contest.Contender {
	return asynqWith("asynq", asynqSettings+"; intervals by default: TaskCheckInterval 1 s, DelayedTaskCheckInterval 5 s",
		asynq.Config{})
}

// AsynqEager is asynq that looks for tasks as often as one may want it to. It
// says itself that this may load Redis.
func AsynqEager() contest.Contender {
	c := asynqWith("asynq, looking every 10 ms", asynqSettings+"; TaskCheckInterval and DelayedTaskCheckInterval 10 ms",
		asynq.Config{TaskCheckInterval: 10 * time.Millisecond, DelayedTaskCheckInterval: 10 * time.Millisecond})
	c.LatencyOnly = true
	return c
}

func asynqWith(name, settings string, cfg asynq.Config) contest.Contender {
	return contest.Contender{Name: name, Settings: settings, Open: func(_ context.Context, url string) (contest.Queue, error) {
		parsed, err := asynq.ParseRedisURI(url)
		if err != nil {
			return nil, err
		}
		opt, ok := parsed.(asynq.RedisClientOpt)
		if !ok {
			return nil, fmt.Errorf("%s is no single Redis", url)
		}
		opt.PoolSize = contest.Callers + contest.Workers
		cfg.Concurrency, cfg.LogLevel, cfg.Logger = contest.Workers, asynq.FatalLevel, silent{}
		return &asynqQueue{client: asynq.NewClient(opt), inspector: asynq.NewInspector(opt), opt: opt, cfg: cfg}, nil
	}}
}

const (
	asynqType  = "noop"
	asynqQName = "default"
)

type asynqQueue struct {
	client    *asynq.Client
	inspector *asynq.Inspector
	opt       asynq.RedisClientOpt
	cfg       asynq.Config
}

func (q *asynqQueue) Enqueue(ctx context.Context) error {
	_, err := q.client.EnqueueContext(ctx, asynq.NewTask(asynqType, contest.Payload(time.Now())))
	return err
}

func (q *asynqQueue) EnqueueAt(ctx context.Context, due time.Time) error {
	_, err := q.client.EnqueueContext(ctx, asynq.NewTask(asynqType, contest.Payload(due)), asynq.ProcessAt(due))
	return err
}

func (q *asynqQueue) Work(_ context.Context, handle func(due int64)) (func(context.Context) error, error) {
	server := asynq.NewServer(q.opt, q.cfg)
	err := server.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		handle(contest.Due(t.Payload()))
		return nil
	}))
	return func(context.Context) error {
		server.Shutdown()
		return nil
	}, err
}

func (q *asynqQueue) Left(context.Context) (int64, error) {
	info, err := q.inspector.GetQueueInfo(asynqQName)
	if err != nil {
		return 0, err
	}
	return int64(info.Size), nil
}

func (q *asynqQueue) Close(context.Context) error {
	return errors.Join(q.client.Close(), q.inspector.Close())
}

// silent drops asynq's log lines.
type silent struct{}

func (silent) Debug(...any) {}
func (silent) Info(...any)  {}
func (silent) Warn(...any)  {}
func (silent) Error(...any) {}
func (silent) Fatal(args ...any) {
	panic(fmt.Sprint(args...))
}
