package contest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/taskgen/taskgen/bench/report"
)

// A sample is what one round of one contender gave.
type sample struct {
	rates  map[Stage]rate
	memory float64 // bytes of the broker for each task that waits
	idle   []time.Duration
	late   []time.Duration
}

// A rate is that of one stage, with what it cost the broker.
type rate struct {
	load
	perTask map[string]float64
}

// take measures one round of a contender.
func (r *run) take(ctx context.Context, c Contender, link *link) (*sample, error) {
	s := &sample{rates: make(map[Stage]rate)}
	size := r.cfg.size(link.RTT)
	if !c.LatencyOnly {
		for _, stage := range r.cfg.stages(link.RTT) {
			if err := r.stage(ctx, c, link, stage, size, s); err != nil {
				return nil, fmt.Errorf("%s: %w", stage, err)
			}
		}
	}
	err := r.with(ctx, c, link, func(q Queue) (err error) {
		if r.cfg.Idle == 0 {
			return nil
		}
		s.idle, err = idle(ctx, q, r.cfg.Idle, size.Limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("idle pickup: %w", err)
	}
	err = r.with(ctx, c, link, func(q Queue) (err error) {
		if _, ok := q.(Delayer); ok && r.cfg.Delayed > 0 {
			s.late, err = late(ctx, q, r.cfg.Delayed, size.Limit)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("delayed: %w", err)
	}
	return s, nil
}

// stage runs one stage on a queue of its own.
func (r *run) stage(ctx context.Context, c Contender, link *link, stage Stage, size Size, s *sample) error {
	return r.with(ctx, c, link, func(q Queue) error {
		var held load
		if _, ok := q.(Batcher); (stage == Batches || stage == BatchFlow) && !ok {
			return nil
		}
		if stage == Drain {
			before, err := r.broker.memory(ctx)
			if err != nil {
				return err
			}
			if held, err = fill(ctx, q, size); err != nil {
				return err
			}
			after, err := r.broker.memory(ctx)
			if err != nil {
				return err
			}
			s.memory = (after - before) / float64(held.tasks)
		}
		profiled, err := r.profile(c, link, stage)
		if err != nil {
			return err
		}
		before, err := r.counters(ctx, q)
		if err != nil {
			return err
		}
		var l load
		switch stage {
		case One:
			l, err = enqueue(ctx, q, 1, 1, size)
		case Many:
			l, err = enqueue(ctx, q, Callers, 1, size)
		case Batches:
			l, err = enqueue(ctx, q, 1, Batch, size)
		case Drain:
			l, err = drain(ctx, q, held.tasks, size.Limit)
		case Flow:
			l, err = flow(ctx, q, size)
		case BatchFlow:
			l, err = batchFlow(ctx, q, size)
		}
		if err := errors.Join(err, profiled()); err != nil {
			return err
		}
		if l.tasks == 0 {
			return fmt.Errorf("nothing was done within %s", size.Limit)
		}
		after, err := r.counters(ctx, q)
		if err != nil {
			return err
		}
		cost := make(map[string]float64, len(after))
		for name := range after {
			cost[name] = (after[name] - before[name]) / float64(l.tasks)
		}
		s.rates[stage] = rate{l, cost}
		return nil
	})
}

// profile begins the CPU profile of a stage, and returns what ends it. One of an
// earlier round is written over.
func (r *run) profile(c Contender, link *link, stage Stage) (end func() error, err error) {
	if r.cfg.Profiles == "" {
		return func() error { return nil }, nil
	}
	name := strings.NewReplacer(" ", "-", ",", "").Replace(c.Name + " " + string(stage) + " " + link.Name + ".pprof")
	f, err := os.Create(filepath.Join(r.cfg.Profiles, name))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// with runs f on a queue that nobody used before, and leaves an empty broker.
func (r *run) with(ctx context.Context, c Contender, link *link, f func(Queue) error) error {
	if err := r.broker.Clear(ctx); err != nil {
		return fmt.Errorf("clear the broker: %w", err)
	}
	runtime.GC()
	q, err := c.Open(ctx, link.url)
	if err != nil {
		return err
	}
	return errors.Join(f(q), q.Close(ctx))
}

// counters are those of the broker, and what the client of a queue has used.
func (r *run) counters(ctx context.Context, q Queue) (map[string]float64, error) {
	all, err := r.broker.counters(ctx)
	if err != nil {
		return nil, err
	}
	if all == nil {
		all = make(map[string]float64)
	}
	used := report.CPUTime()
	if other, ok := q.(Process); ok {
		if used, err = other.CPU(ctx); err != nil {
			return nil, err
		}
	}
	all[ClientMicros] = float64(used) / float64(time.Microsecond)
	return all, nil
}
