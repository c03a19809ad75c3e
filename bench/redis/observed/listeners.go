package main

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/runtime"
	tghistory "github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
	tgredis "github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/tracing"
)

// history is the name of the contender with one.
const history = "history"

// sampled is the part of the traces that is recorded.
const sampled = 0.01

// contenders are taskgen with one kind of listener each. The first has none: it is what the
// others are compared with. One more kind is one more row.
var contenders = []contest.Contender{
	observed("taskgen", "no listener", nil),
	observed("a listener without functions", "a listener that listens to nothing", unending(&observe.Listener{})),
	observed("a listener that does nothing", "a listener with every function, none of which does anything: the cost of being called", unending(idle())),
	observed("metrics", "runtime/metrics with its defaults, not scraped meanwhile", func(p *tgredis.Provider) (*observe.Listener, func(context.Context) error) {
		return unending(metrics.New(metrics.Config{}).Listener())(p)
	}),
	observed(fmt.Sprintf("traces at %g %%", 100*sampled), "runtime/tracing on an SDK of OpenTelemetry: TraceIDRatioBased below ParentBased, a batch processor, an exporter that drops the spans", traces),
	observed(history, "runtime/history with its defaults, kept on the server of the queue", func(p *tgredis.Provider) (*observe.Listener, func(context.Context) error) {
		h := tghistory.New(p.History(), tghistory.Config{})
		return h.Listener(), h.Close
	}),
}

// A listen makes the listener of one queue of a provider, and what ends it.
type listen func(p *tgredis.Provider) (*observe.Listener, func(context.Context) error)

func observed(name, settings string, by listen) contest.Contender {
	listeners := func(p runtime.Provider) ([]*observe.Listener, func(context.Context) error) {
		if by == nil {
			return nil, func(context.Context) error { return nil }
		}
		l, end := by(p.(*tgredis.Provider))
		return []*observe.Listener{l}, end
	}
	return contest.Observed(name, settings, listeners, func(ctx context.Context, url string) (runtime.Provider, error) { return tgredis.Open(ctx, url) })
}

func unending(l *observe.Listener) listen {
	return func(*tgredis.Provider) (*observe.Listener, func(context.Context) error) {
		return l, func(context.Context) error { return nil }
	}
}

func traces(*tgredis.Provider) (*observe.Listener, func(context.Context) error) {
	sdk := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(sampled))), sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	return tracing.New(tracing.Config{TracerProvider: sdk}).Listener(), sdk.Shutdown
}

// idle is a listener that is called for everything, and does nothing.
func idle() *observe.Listener {
	return &observe.Listener{
		QueueOpened:  func(*observe.Queue) {},
		QueueClosed:  func(*observe.Queue) {},
		EnqueueStart: func(ctx context.Context, _ []*observe.Task) context.Context { return ctx },
		EnqueueEnd:   func(context.Context, *observe.Enqueue) {},
		Dequeued:     func(*observe.Queue, []*observe.Delivery) {},
		RunStart:     func(ctx context.Context, _ *observe.Run) context.Context { return ctx },
		RunEnd:       func(context.Context, *observe.Run) {},
		Settled:      func(*observe.Settlement) {},
		LeaseLost:    func(*observe.Queue, *observe.Task) {},
		Called:       func(*observe.Call) {},
		TypesLearned: func([]observe.Type) {},
		PoolStarted:  func(*observe.Pool) {},
		PoolStopped:  func(*observe.Pool) {},
	}
}
