package tracing

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime/observe"
)

// queueSpans is what the spans of one queue have in common, made once so that a span that
// is not sampled costs little.
type queueSpans struct {
	system                   string
	send, process            typedKind
	ack, release, deadLetter spanKind
}

// A spanKind is how the spans of one operation on one queue begin.
type spanKind struct {
	name string
	opts []trace.SpanStartOption // with the attributes that samplers may want to see
}

// systemOf is the messaging.system of a provider.
func systemOf(provider string) string { return cmp.Or(systems[provider], provider) }

func newQueueSpans(name, provider string) *queueSpans {
	system := systemOf(provider)
	maker := func(op *operation) func(...attribute.KeyValue) spanKind {
		attrs := make([]attribute.KeyValue, 0, 4)
		if system != "" {
			attrs = append(attrs, keySystem.String(system))
		}
		attrs = append(attrs, keyOperation.String(op.name), keyType.String(op.typ), keyDestination.String(name))
		return func(more ...attribute.KeyValue) spanKind {
			return spanKind{op.name + " " + name, []trace.SpanStartOption{
				trace.WithSpanKind(op.kind), trace.WithAttributes(slices.Concat(attrs, more)...),
			}}
		}
	}
	return &queueSpans{
		system: system, send: typedKind{make: maker(&send)}, process: typedKind{make: maker(&process)},
		ack: maker(&ack)(), release: maker(&release)(), deadLetter: maker(&deadLetter)(),
	}
}

// start are the options of one more span, with room for the given number of others.
func (k *spanKind) start(room int) []trace.SpanStartOption {
	return append(make([]trace.SpanStartOption, 0, len(k.opts)+room), k.opts...)
}

// maxTypes bounds the types of a queue whose spans are prepared. A queue may hold tasks of
// any type.
const maxTypes = 256

// A typedKind is a spanKind for each type of task.
type typedKind struct {
	make func(...attribute.KeyValue) spanKind
	// known is replaced as a whole: it is read by every run, and soon complete.
	known atomic.Pointer[map[string]*spanKind]
}

// of is the kind for a type, with more attributes that are always the same for it.
func (k *typedKind) of(typ string, more ...attribute.KeyValue) *spanKind {
	known := k.known.Load()
	if known != nil {
		if kind := (*known)[typ]; kind != nil {
			return kind
		}
	}
	kind := k.make(append(slices.Clip(more), keyTaskType.String(typ))...)
	all := map[string]*spanKind{typ: &kind}
	if known != nil {
		maps.Copy(all, *known)
	}
	if len(all) <= maxTypes {
		k.known.CompareAndSwap(known, &all) // a goroutine that loses tries again with the next span
	}
	return &kind
}

// A queueTable knows the open queues of a manager.
type queueTable struct {
	spans sync.Map // *observe.Queue → *queueSpans
	named sync.Map // name of a queue → *observe.Queue
}

func (t *queueTable) opened(q *observe.Queue) {
	t.spans.Store(q, newQueueSpans(q.Name, q.Provider))
	t.named.Store(q.Name, q)
}

func (t *queueTable) closed(q *observe.Queue) {
	t.named.CompareAndDelete(q.Name, q)
	t.spans.Delete(q)
}

func (t *queueTable) of(q *observe.Queue) *queueSpans {
	if s, ok := t.spans.Load(q); ok {
		return s.(*queueSpans)
	}
	return newQueueSpans(q.Name, q.Provider)
}

// ofName is of for a queue that may not be open.
func (t *queueTable) ofName(name string) *queueSpans {
	if q, ok := t.named.Load(name); ok {
		return t.of(q.(*observe.Queue))
	}
	return newQueueSpans(name, "")
}
