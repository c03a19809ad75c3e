package pool

import (
	"context"
	"log/slog"
	goruntime "runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// logStart logs what the pool works on, once for each run.
func (r *run) logStart() {
	log := r.logger()
	if !log.Enabled(r.base, slog.LevelInfo) {
		return
	}
	queues := make([]slog.Attr, len(r.consumers))
	for i, pq := range r.cfg.Queues {
		queues[i] = slog.GroupAttrs(pq.Name, slog.Int("weight", max(pq.Weight, 1)), slog.Any("types", r.typesOf(pq.Name)))
	}
	attrs := []slog.Attr{slog.String("worker", r.cfg.Name), slog.Int("workers", r.cfg.Workers)}
	if v := build(); v != "" {
		attrs = append(attrs, slog.String("build", v))
	}
	if r.cfg.Strict {
		attrs = append(attrs, slog.Bool("strict", true))
	}
	log.LogAttrs(r.base, slog.LevelInfo, "pool started", append(attrs, slog.GroupAttrs("queues", queues...))...)
}

// warnOfTypes logs which tasks a pool for some types hands on.
func (r *run) warnOfTypes() {
	if types := r.p.unhandled(r.routing); len(types) > 0 {
		r.logger().LogAttrs(r.base, slog.LevelWarn, "the pool has no handler for types that its queues declare: it hands tasks of these on to other workers",
			slog.String("worker", r.cfg.Name), slog.Any("types", types))
	}
}

// logStop logs the end of a run: all its items are settled.
func (r *run) logStop() {
	r.mon.Lock()
	runs := r.runs
	r.mon.unlockAndLog()
	r.many.flush()
	r.logger().LogAttrs(r.base, slog.LevelInfo, "pool stopped",
		slog.String("worker", r.cfg.Name), slog.Int("runs", runs), slog.Duration("duration", time.Since(r.began)))
}

// typesOf lists the types with a handler that belong to a queue: by their policy, or by
// the queue's declaration.
func (r *run) typesOf(queue string) []string {
	var types []string
	for name, rt := range r.routing.routes {
		if name == rt.policy.Type && (rt.policy.Queue == queue || slices.Contains(r.typesDeclared(queue), name)) {
			types = append(types, name)
		}
	}
	slices.Sort(types)
	return types
}

// build is the version of the program's module, as the go command stamps it.
var build = sync.OnceValue(func() string {
	info, ok := goruntime.ReadBuildInfo()
	if !ok || info.Main.Version == "(devel)" {
		return ""
	}
	return info.Main.Version
})

// logRun logs the outcome of a run: at level debug, unless something went wrong.
func (w *worker) logRun(it *item, c *taskContext, v verdict, err error) {
	log, level, text := w.run.logger(), slog.LevelDebug, ""
	switch v.outcome {
	case Retried:
		level, text = slog.LevelWarn, "task failed, to be retried"
		if driver.PanicStack(err) != "" {
			level, text = slog.LevelError, "task panicked, to be retried"
		}
	case Died:
		level, text = slog.LevelError, "task is dead"
	case Cancelled:
		level, text = slog.LevelInfo, "task cancelled"
	}
	if !log.Enabled(w.ctx, level) {
		return
	}
	if text == "" {
		text = "task " + string(v.outcome)
	} else if !w.run.many.pass(recordKind{level, text, c.policy.Type}) {
		return
	}
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs, about(it.consumer().name, it.d.Task), slog.Int("attempt", c.info.Attempt), slog.Int("max_attempts", it.d.Task.MaxRetries+1))
	if v.delay > 0 {
		attrs = append(attrs, slog.Duration("delay", v.delay))
	}
	attrs = append(attrs, slog.Duration("duration", w.took))
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if stack := driver.PanicStack(err); stack != "" {
		attrs = append(attrs, slog.String("stack", stack))
	}
	log.LogAttrs(context.WithoutCancel(w.ctx), level, text, attrs...)
}

// logHook logs that a hook for dead tasks failed.
func (w *worker) logHook(it *item, policy *Policy, err error) {
	const text = "the hook for dead tasks failed"
	if !w.run.many.pass(recordKind{slog.LevelError, text, policy.Type}) {
		return
	}
	attrs := []slog.Attr{about(it.consumer().name, it.d.Task), slog.Any("error", err)}
	if stack := driver.PanicStack(err); stack != "" {
		attrs = append(attrs, slog.String("stack", stack))
	}
	w.run.logger().LogAttrs(context.WithoutCancel(w.ctx), slog.LevelError, text, attrs...)
}
