// Package tasktest has helpers for tests of programs that use taskgen.
//
// [New] returns an [Env]: real queues in memory, a real pool and a [Clock] that the test
// moves. [RequireEnqueued] and [RequireNotEnqueued] check what the code under test
// enqueued. [RoundTrip] checks that a payload arrives as it was sent.
package tasktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// SeedVariable names the environment variable with the seed of RoundTrip. Not set: each
// run has another seed.
const SeedVariable = "TASKTEST_SEED"

// How many random payloads RoundTrip sends, and how many it draws for each that the
// spec accepts.
const (
	payloads = 100
	draws    = 50
)

// RoundTrip sends payloads through a queue in memory, decodes them as a worker does,
// and fails the test if one does not arrive as it was sent. It sends the examples, then
// 100 random payloads.
//
// Random values fill exported fields. For a type that encodes itself, values are drawn
// by its kind until its own methods write and read one; a type with the method Generate
// of testing/quick draws its own values. Give examples if random values miss what
// matters.
//
// Values are the same if they are deeply equal, if their own method Equal says so, or
// if they encode themselves in the same way; unexported fields count only in structs
// without exported ones. Two differences are allowed, because tags and JSON make them:
// under omitempty an empty list arrives as nil, and a nil json.RawMessage arrives as
// null.
//
// The random values follow from a seed, which a failure shows; see SeedVariable.
func RoundTrip[T any](t testing.TB, spec *runtime.Spec[T], examples ...T) {
	t.Helper()
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 0))
	link := newLink(t, spec)
	for i := range examples {
		if diff, err := link.send(&examples[i]); err != nil {
			t.Errorf("example %d of type %s is not sent: %v", i, spec.Type, err)
		} else if diff != "" {
			t.Errorf("example %d of type %s does not arrive as it was sent: %s", i, spec.Type, diff)
		}
	}
	for i := range payloads {
		diff, err := link.random(r)
		if err != nil {
			t.Errorf("a random payload of type %s: %v (%s=%d)", spec.Type, err, SeedVariable, seed)
			return
		}
		if diff != "" {
			t.Errorf("random payload %d of type %s does not arrive as it was sent: %s (%s=%d)", i, spec.Type, diff, SeedVariable, seed)
			return
		}
	}
}

func seedOf(t testing.TB) uint64 {
	t.Helper()
	text, ok := os.LookupEnv(SeedVariable)
	if !ok {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s is not a seed: %v", SeedVariable, text, err)
	}
	return seed
}

// A link is a queue in memory between a sender and a receiver.
type link[T any] struct {
	ctx     context.Context
	spec    runtime.Spec[T]
	manager *runtime.Manager
	queue   driver.Queue
}

func newLink[T any](t testing.TB, spec *runtime.Spec[T]) *link[T] {
	t.Helper()
	l := &link[T]{ctx: t.Context(), spec: *spec}
	l.spec.UniqueFor = 0
	if l.spec.Queue == "" {
		l.spec.Queue = "roundtrip"
	}
	cfg := runtime.QueueConfig{Name: l.spec.Queue}
	switch {
	case spec.GroupKey != nil:
		cfg.Type = runtime.FIFO
	case spec.Priority > 0:
		cfg.Type, cfg.Levels = runtime.Priority, spec.Priority+1
	}
	l.manager = runtime.NewManager(runtime.ManagerConfig{})
	t.Cleanup(func() { _ = l.manager.Close() })
	p := memory.New()
	t.Cleanup(func() { _ = p.Close() })
	err := l.manager.Open(l.ctx, p, cfg)
	if err == nil {
		l.queue, err = l.manager.Queue(cfg.Name)
	}
	if err != nil {
		t.Fatalf("the queue of %s cannot be opened: %v", spec.Type, err)
	}
	return l
}

// random sends a random payload that the spec accepts.
func (l *link[T]) random(r *rand.Rand) (diff string, err error) {
	for range draws {
		v := new(T)
		fill(r, reflect.ValueOf(v).Elem())
		if err = l.accepts(v); err == nil {
			return l.send(v)
		}
	}
	return "", fmt.Errorf("none of %d is valid: %w", draws, err)
}

// accepts is the spec's objection to a payload; nil if there is none.
func (l *link[T]) accepts(v *T) error {
	if l.spec.GroupKey != nil && l.spec.GroupKey(v) == "" {
		return errors.New("it has no group key")
	}
	if l.spec.Validate != nil {
		return l.spec.Validate(v)
	}
	return nil
}

// send sends one payload and says how the arrived one differs.
func (l *link[T]) send(v *T) (diff string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its codec panics: %v", p)
		}
	}()
	e, err := runtime.Enqueue(l.ctx, l.manager, &l.spec, v)
	if err != nil {
		return "", err
	}
	ds, err := l.queue.Dequeue(l.ctx, 1, time.Minute)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.queue.Complete(l.ctx, ds)) }()
	if len(ds) != 1 || ds[0].Task.ID != e.ID {
		return "", errors.New("another task than the one that was sent is on the queue")
	}
	got, err := l.spec.Decode(ds[0].Task)
	if err != nil {
		return "it is not decoded: " + err.Error() + ", from " + string(ds[0].Task.Payload), nil
	}
	if diff = difference(reflect.ValueOf(v).Elem(), reflect.ValueOf(&got).Elem()); diff != "" {
		return diff, nil
	}
	return l.keys(v, &got), nil
}

// keys says how the keys of the sent and the arrived payload differ.
func (l *link[T]) keys(sent, got *T) string {
	for name, key := range map[string]func(*T) string{"unique": l.spec.UniqueKey, "group": l.spec.GroupKey} {
		if key != nil && key(sent) != key(got) {
			return "its " + name + " key has changed"
		}
	}
	return ""
}
