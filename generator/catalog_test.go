package generator_test

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator"
)

// withoutTags are the archives that are built without tags.
func withoutTags(t *testing.T) []*golden {
	t.Helper()
	return slices.DeleteFunc(readGoldens(t, "testdata/*.txtar"), func(g *golden) bool { return g.tags != "" })
}

// catalogOf generates packages with a catalog in the folder of a module, and returns its text.
func catalogOf(t *testing.T, dir string, patterns ...string) (*generator.Result, string) {
	t.Helper()
	r, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: patterns, Env: env(), Catalog: filepath.Join(dir, "taskgen.catalog.json")})
	require.NoError(t, err)
	require.False(t, r.HasErrors(), "%v", r.Diagnostics)
	return r, string(r.Files[filepath.Join(dir, "taskgen.catalog.json")])
}

func TestACatalogIsAsWanted(t *testing.T) {
	goldens := withoutTags(t)
	dir := module(t, goldens)
	_, got := catalogOf(t, dir, "./...")
	_, again := catalogOf(t, dir, "./...")
	assert.Equal(t, got, again)
	path := filepath.Join("testdata", "catalog.json")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "-update accepts it")
}

func TestACatalogIsOneOfTheFiles(t *testing.T) {
	goldens := withoutTags(t)[:1]
	dir := module(t, goldens)
	r, _ := catalogOf(t, dir, "./...")
	changes, err := r.Changes()
	require.NoError(t, err)
	path := filepath.Join(dir, "taskgen.catalog.json")
	of := func(c generator.Change) bool { return c.Path == path }
	require.True(t, slices.ContainsFunc(changes, of), "it is missing")
	require.NoError(t, generator.Write(changes))
	changes, err = r.Changes()
	require.NoError(t, err)
	require.Empty(t, changes)
	put(t, path, []byte(strings.Replace(string(r.Files[path]), `"queue"`, `"line"`, 1)))
	changes, err = r.Changes()
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(changes, of), "it is stale")
	put(t, path, []byte(`{"mine": true}`))
	_, err = r.Changes()
	require.ErrorContains(t, err, "was not written by taskgen")
}

func TestACatalogWithATypeTwiceIsAnError(t *testing.T) {
	dir := module(t, nil)
	const source = "//taskgen:defaults timeout=1m queue=q\n//taskgen:retry none\n//taskgen:queue name=q\npackage %s\n\n//taskgen:task\ntype PingTask struct{ N int }\n"
	put(t, filepath.Join(dir, "a", "a.go"), fmt.Appendf(nil, source, "a"))
	put(t, filepath.Join(dir, "b", "b.go"), fmt.Appendf(nil, source, "b"))
	_, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: []string{"./..."}, Env: env(), Catalog: filepath.Join(dir, "taskgen.catalog.json")})
	require.ErrorContains(t, err, `taskgen.catalog.json: the type "ping" is in package `+modulePath+`/a and in package `+modulePath+`/b`)
}

// TestACatalogMakesTheTasksThatSpecsMake compares what a catalog says of a type with what a
// worker publishes about its spec, and the tasks that both make of the same random payloads.
func TestACatalogMakesTheTasksThatSpecsMake(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles a program")
	}
	goldens := withoutTags(t)
	dir := module(t, goldens)
	r, _ := catalogOf(t, dir, "./...")
	for path, src := range r.Files {
		put(t, path, src)
	}
	var imports, calls strings.Builder
	n := 0
	for _, p := range r.Packages {
		alias := fmt.Sprintf("p%d", n)
		used := false
		for _, task := range p.Tasks {
			if ast.IsExported(task.Struct) {
				used = true
				n++
				fmt.Fprintf(&calls, "\tsame(types, %q, &%s.%sSpec)\n", p.Name+"."+task.Struct, alias, task.Base)
			}
		}
		if used {
			fmt.Fprintf(&imports, "\t%s %q\n", alias, p.Path)
		}
	}
	put(t, filepath.Join(dir, "main.go"), fmt.Appendf(nil, catalogDriver, imports.String(), calls.String()))
	out := goRun(t, dir, "run", ".")
	assert.Equal(t, fmt.Sprintf("compared %d\n", n), out)
}

const catalogDriver = `package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/catalog"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/tasktest"

%s)

// A log is a test that prints what it is told.
type log struct {
	testing.TB
	cleanup []func()
}

func (l *log) Helper()                           {}
func (l *log) Context() context.Context          { return context.Background() }
func (l *log) Cleanup(f func())                  { l.cleanup = append(l.cleanup, f) }
func (l *log) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (l *log) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

var compared int

func same[T any](types fleet.Types, name string, spec *runtime.Spec[T]) {
	compared++
	differs := func(what string, want, got any) {
		fmt.Printf("%%s: %%s: the spec has %%s, the catalog %%s\n", name, what, text(want), text(got))
	}
	got, ok := types.Of(spec.Type)
	if !ok {
		fmt.Printf("%%s is missing\n", name)
		return
	}
	p := spec.Policy()
	want := fleet.Type{
		Name: p.Type, Aliases: p.Aliases, Queue: p.Queue, Shape: p.Shape, Secrets: p.Secrets, Timeout: p.Timeout, MaxRetries: p.Retry.Max, Result: got.Result, Retention: p.Retention,
		Retry:    fleet.Retry{Backoff: string(p.Retry.Backoff), Base: p.Retry.Base, Cap: p.Retry.Cap, Factor: p.Retry.Factor, Jitter: p.Retry.Jitter},
		Template: p.Template,
	}
	if a, b := schema(p.Schema), schema(got.Schema); !reflect.DeepEqual(a, b) {
		differs("schema", a, b)
	}
	got.Schema = ""
	if text(want) != text(got) {
		differs("description", want, got)
	}
	described, err := catalog.New(got)
	if err != nil {
		if got.Template.Refused == "" {
			fmt.Printf("%%s: %%v\n", name, err)
		}
		return
	}
	checked := *spec
	checked.Validate = func(v *T) error {
		bare := *spec
		bare.Validate = nil // also what it refuses is compared
		now := time.Now()
		sent, err := runtime.NewTask(&bare, v, now)
		if err != nil {
			return err
		}
		want, refused := spec.NewTaskJSON(sent.Payload, now)
		got, err := described.NewTaskJSON(sent.Payload, now)
		if (refused == nil) != (err == nil) {
			differs("error", fmt.Sprint(refused), fmt.Sprint(err))
		}
		if refused != nil || err != nil {
			return nil
		}
		arrived, err := spec.Decode(got)
		if err != nil {
			fmt.Printf("%%s: %%s: %%v\n", name, got.Payload, err)
			return nil
		}
		again, err := runtime.NewTask(spec, &arrived, now)
		if err != nil {
			fmt.Printf("%%s: %%s: %%v\n", name, got.Payload, err)
			return nil
		}
		if string(again.Payload) != string(want.Payload) {
			differs("payload", string(want.Payload), string(again.Payload))
		}
		copied := *got
		copied.Payload = want.Payload
		if a, b := envelope(want), envelope(&copied); a != b {
			differs("task", a, b)
		}
		return nil
	}
	l := &log{}
	tasktest.RoundTrip(l, &checked)
	for _, f := range l.cleanup {
		f()
	}
}

func envelope(t *runtime.Task) string {
	return fmt.Sprint(t.Type, t.Queue, string(t.Payload), t.Encoding, t.Priority, t.GroupKey, t.UniqueKey, t.UniqueFor, t.Timeout, t.MaxRetries, t.SchemaVersion, t.Metadata, t.CreatedAt, t.ScheduledFor)
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func schema(text string) (v any) {
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

func main() {
	types, err := catalog.Load("taskgen.catalog.json")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
%s	fmt.Printf("compared %%d\n", compared)
}
`
