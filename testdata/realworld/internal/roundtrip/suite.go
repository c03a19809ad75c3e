// Package roundtrip sends payloads of other people's types through generated code and
// compares what arrives.
package roundtrip

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// A Suite is the tasks of one package.
type Suite struct {
	// Values draws values of types that a random value of their fields says nothing
	// about.
	Values map[reflect.Type]func(*rand.Rand) any
	// Told are the places at which something else may arrive than was sent, because
	// the types encode themselves, with the reason. The suite fails where another
	// place differs, and where one of these does not. A place is a field with its
	// struct, such as events.S3Object.URLDecodedKey, or a type that encodes itself.
	Told map[string]string

	parts []part
	seen  map[string]bool
}

// A part is the task of one type.
type part struct {
	name string
	add  func(*runtime.Router)
	run  func(*testing.T, *link)
}

// A link is a queue in memory, and the worker at its end.
type link struct {
	manager *runtime.Manager
	pool    *runtime.Pool
}

// draws is how many random values of each type are sent.
const draws = 12

// budget is how many values without parts a random one has, about.
const budget = 250

// small is of how many types a payload may consist that tasktest.RoundTrip sends, too:
// its values have no budget, and those of large types have tens of thousands of parts.
const small = 50

// Add adds a task, by its generated spec and function, with files that hold one
// payload each.
func Add[T any](s *Suite, spec *runtime.Spec[T], enqueue func(context.Context, runtime.Enqueuer, T, ...runtime.EnqueueOption) (runtime.Enqueued, error), samples ...string) {
	var (
		mu      sync.Mutex
		arrived []T
	)
	s.parts = append(s.parts, part{
		name: spec.Type,
		add: func(r *runtime.Router) {
			runtime.Register(r, spec, func(_ context.Context, got T) error {
				mu.Lock()
				defer mu.Unlock()
				arrived = append(arrived, got)
				return nil
			})
		},
		run: func(t *testing.T, l *link) {
			if types := make(map[reflect.Type]bool); !s.knows(reflect.TypeFor[T](), types) && len(types) <= small {
				tasktest.RoundTrip(t, spec)
			}
			schema := compile(t, spec.Schema)
			for _, file := range samples {
				sent := read[T](t, file)
				accepts(t, schema, spec, &sent)
				_, err := enqueue(t.Context(), l.manager, sent)
				require.NoError(t, err, file)
				_, err = l.pool.Drain(t.Context())
				require.NoError(t, err)
				require.Len(t, arrived, 1, "%s has arrived", file)
				s.compare(t, file, &sent, &arrived[0])
				arrived = nil
			}
			// The seed is the type's, and a new type changes no other's values.
			hash := fnv.New64()
			_, _ = hash.Write([]byte(spec.Type))
			f := filler{r: rand.New(rand.NewPCG(hash.Sum64(), 0)), makers: s.Values}
			for range draws {
				sent := new(T)
				f.value(reflect.ValueOf(sent).Elem(), budget)
				accepts(t, schema, spec, sent)
				s.compare(t, "a random value", sent, mail(t, spec, sent))
			}
		},
	})
}

// Run sends what there is of all tasks.
func (s *Suite) Run(t *testing.T, queues []runtime.QueueConfig) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := memory.New()
	defer p.Close()
	l := &link{manager: runtime.NewManager(runtime.ManagerConfig{})}
	require.NoError(t, l.manager.Open(ctx, p, queues...))
	r := runtime.NewRouter()
	for _, part := range s.parts {
		part.add(r)
	}
	var err error
	l.pool, err = runtime.NewPool(l.manager, r, runtime.PoolConfig{Workers: 1})
	require.NoError(t, err)
	s.seen = make(map[string]bool)
	for _, part := range s.parts {
		t.Run(part.name, func(t *testing.T) { part.run(t, l) })
	}
	for place, why := range s.Told {
		assert.True(t, s.seen[place], "what arrives at %s is what was sent, though it need not be (%s)", place, why)
	}
}

// knows says whether the suite has something to say about a type, or about one that
// its values may hold.
func (s *Suite) knows(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if s.Values[t] != nil || s.Told[t.String()] != "" {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return s.knows(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if s.Told[t.String()+"."+f.Name] != "" || s.knows(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// read makes the payload of a file a task's.
func read[T any](t *testing.T, file string) T {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var task T
	require.NoError(t, json.Unmarshal([]byte(`{"payload":`+string(data)+`}`), &task), filepath.Base(file))
	return task
}

// mail sends a payload as bytes and reads them.
func mail[T any](t *testing.T, spec *runtime.Spec[T], sent *T) *T {
	t.Helper()
	now := time.Unix(1_700_000_000, 0)
	task, err := runtime.NewTask(spec, sent, now)
	require.NoError(t, err)
	task.ID = "00000000-0000-7000-8000-000000000000"
	task, err = driver.DecodeEnvelope(driver.AppendEnvelope(nil, task))
	require.NoError(t, err)
	got, err := spec.Decode(task)
	require.NoError(t, err, "%s", task.Payload)
	return &got
}

// compare holds what arrived to what encoding/json makes of what was sent, and that to
// what was sent.
func (s *Suite) compare(t *testing.T, what string, sent, got any) {
	t.Helper()
	data, err := json.Marshal(sent)
	require.NoError(t, err)
	plain := reflect.New(reflect.TypeOf(sent).Elem()).Interface()
	require.NoError(t, json.Unmarshal(data, plain))
	assert.Equal(t, plain, got, "%s does not arrive as encoding/json carries it", what)
	for _, d := range differences(sent, got) {
		s.seen[d.place] = true
		if _, told := s.Told[d.place]; !told {
			assert.Fail(t, what+" does not arrive as it was sent", "%s: sent %s, arrived %s", d.place, d.sent, d.got)
		}
	}
}

func compile(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	require.NoError(t, c.AddResource("payload.json", doc))
	schema, err := c.Compile("payload.json")
	require.NoError(t, err)
	return schema
}

// accepts validates a payload as package dlq does.
func accepts[T any](t *testing.T, schema *jsonschema.Schema, spec *runtime.Spec[T], v *T) {
	t.Helper()
	task, err := runtime.NewTask(spec, v, time.Unix(1_700_000_000, 0))
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(task.Payload)))
	require.NoError(t, err)
	assert.NoError(t, schema.Validate(doc), "the schema of %s accepts %s", spec.Type, task.Payload)
}
