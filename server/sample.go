package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// sampleLimit bounds how long the numbers of one queue are waited for: a provider that
	// is away must not hide the queues of the others.
	sampleLimit = 5 * time.Second
	// sampleCalls bounds the queues that one call reads at a time.
	sampleCalls = 8
)

// samples reads the numbers of queues, of all that are open if none are named. Each queue
// comes once. What cannot be read is said in its sample; only a name that the manager does
// not have is an error.
func (s *Server) samples(ctx context.Context, names []string) ([]*v1.QueueSample, error) {
	named := len(names) > 0
	if !named {
		names = s.cfg.Manager.Queues()
	}
	var all []*v1.QueueSample
	var group errgroup.Group
	group.SetLimit(sampleCalls)
	seen := make(map[string]bool)
	open := make([]driver.Queue, 0, len(names))
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		q, err := s.cfg.Manager.Queue(name)
		var provider string
		if err == nil {
			_, provider, err = s.cfg.Manager.Declared(name)
		}
		if !named && errors.Is(err, driver.ErrUnknownQueue) {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		open, all = append(open, q), append(all, &v1.QueueSample{Queue: name, Provider: provider})
	}
	for i, q := range open {
		group.Go(func() error {
			s.sample(ctx, q, all[i])
			return nil
		})
	}
	_ = group.Wait() // no call returns an error
	return all, ctx.Err()
}

// sample fills a sample in.
func (s *Server) sample(ctx context.Context, q driver.Queue, into *v1.QueueSample) {
	defer func() {
		if p := recover(); p != nil { // in a goroutine it would end the program
			s.panicked(ctx, p, slog.String("queue", into.GetQueue()))
			into.Error = errPanicked.Error()
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, sampleLimit, fmt.Errorf("%s has not answered within %s", into.GetProvider(), sampleLimit))
	defer cancel()
	stats, err := q.Stats(ctx)
	if err == nil {
		var pause driver.Pause
		pause, err = paused(ctx, q)
		into.Paused = pause.Paused
	}
	switch {
	case err == nil:
		into.Stats = statsOf(stats)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		into.Error = context.Cause(ctx).Error()
	default:
		into.Error = err.Error()
	}
}

// paused says whether a queue hands out nothing because an operator has paused it.
func paused(ctx context.Context, q driver.Queue) (driver.Pause, error) {
	p, ok := q.(driver.Pauser)
	if !ok || !q.Capabilities().Pause {
		return driver.Pause{}, nil
	}
	return p.Paused(ctx)
}
