package tracing

import (
	"context"
	"sync"
	"weak"

	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// maxLinks bounds the links of a span: an SDK keeps 128 by default, and drops the rest.
const maxLinks = 128

// settled makes the spans of a call that settled tasks: one for each operation, since what
// earlier calls settled comes together.
func (l *listener) settled(s *observe.Settlement) {
	if l.runs.empty() {
		return
	}
	spans := l.queues.of(s.Queue)
	var parts [3]settledPart
	for i, kind := range [...]*spanKind{&spans.ack, &spans.release, &spans.deadLetter} {
		parts[i].kind = kind
	}
	for i := range s.Items {
		it := &s.Items[i]
		p := &parts[1]
		switch it.Outcome {
		case driver.Completed, driver.Cancelled:
			p = &parts[0]
		case driver.Died:
			p = &parts[2]
		}
		p.add(l, it)
	}
	for i := range parts {
		parts[i].span(l, s)
	}
}

// A settledPart is the tasks of a call with one operation.
type settledPart struct {
	kind  *spanKind
	tasks int
	first *observe.Task
	err   error // the first one
	links []trace.Link
}

func (p *settledPart) add(l *listener, it *observe.Settled) {
	if p.tasks++; p.tasks == 1 {
		p.first = it.Task
	}
	if p.err == nil {
		p.err = it.Err
	}
	if !it.Ran {
		return
	}
	if run, ok := l.runs.take(it.Task); ok && len(p.links) < maxLinks {
		p.links = append(p.links, link(run, linkAttempt, it.Task.ID))
	}
}

// span makes the span, unless no task of it has a sampled one: it would lead nowhere.
func (p *settledPart) span(l *listener, s *observe.Settlement) {
	if len(p.links) == 0 {
		return
	}
	opts := append(p.kind.start(3), trace.WithNewRoot(), trace.WithTimestamp(s.Began), trace.WithLinks(p.links...))
	_, span := l.tracer().Start(context.Background(), p.kind.name, opts...)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(keyClientID.String(s.Worker))
	if p.tasks == 1 {
		span.SetAttributes(keyMessageID.String(p.first.ID))
	} else {
		span.SetAttributes(keyBatchCount.Int(p.tasks))
	}
	if p.err != nil {
		fail(span, p.err, true)
	}
	span.End(trace.WithTimestamp(s.Began.Add(s.Took)))
}

func (l *listener) leaseLost(_ *observe.Queue, t *observe.Task) { l.runs.take(t) }

// maxRecent bounds the runs that wait for their settlement. There are more only while a
// queue is away: then the oldest are forgotten, and the settle spans lack their links.
const maxRecent = 4096

// recentRuns are the spans of runs whose tasks are not settled yet.
//
// The key is the task of the delivery, not its ID: a task that went back may run again
// before the listener hears that it went. A weak pointer keeps no payload in memory.
type recentRuns struct {
	mu sync.Mutex
	// At most maxRecent each. When the new ones are full, they become the old ones.
	young, old map[weak.Pointer[observe.Task]]trace.SpanContext
}

func (r *recentRuns) put(t *observe.Task, span trace.SpanContext) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= maxRecent {
		r.young, r.old = nil, r.young
	}
	if r.young == nil {
		r.young = make(map[weak.Pointer[observe.Task]]trace.SpanContext)
	}
	r.young[weak.Make(t)] = span
}

func (r *recentRuns) take(t *observe.Task) (span trace.SpanContext, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young)+len(r.old) == 0 {
		return span, false
	}
	key := weak.Make(t)
	for _, m := range [...]map[weak.Pointer[observe.Task]]trace.SpanContext{r.young, r.old} {
		if span, ok = m[key]; ok {
			delete(m, key)
			return span, true
		}
	}
	return span, false
}

func (r *recentRuns) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.young)+len(r.old) == 0
}
