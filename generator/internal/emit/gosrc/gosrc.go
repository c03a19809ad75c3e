// Package gosrc writes the Go file of a package of tasks: the model goes in, source
// comes out. The generated code is thin: each function is a line or two over package
// runtime, so that a change of behaviour is a change of the runtime.
//
// The source of this package shows the generated code: a declaration is its text, with
// $words for names, formatted as by gofmt. A scope assigns every name that is not fixed
// by the rules (import names, parameters).
package gosrc

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/generator/internal/emit/schema"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// RuntimePath is the package that generated code calls.
const RuntimePath = "github.com/taskgen/taskgen/runtime"

// GeneratedPath is the package of what only generated code calls.
const GeneratedPath = RuntimePath + "/generated"

// SchedulePath is the package that generated functions about jobs call.
const SchedulePath = RuntimePath + "/schedule"

// all writes all declarations.
func (f *file) all() {
	f.wireNames()
	f.definitions()
	f.handlers()
	f.schedules()
	f.queues()
	f.end()
	tasks := f.tasks()
	f.holders()
	f.guards()
	f.end()
	f.parts = slices.Concat(f.parts[:1], tasks(), f.parts[1:])
}

// tasks begins to write the declarations of the tasks concurrently with others, and
// returns a function that returns the parts.
func (f *file) tasks() func() []Part {
	parts := make([][]Part, runtime.GOMAXPROCS(0))
	begun := *f // f continues
	begun.parts, begun.locals = nil, &scope{maps.Clone(f.locals.taken)}
	wait := sideBySide(len(f.pkg.Tasks), func(n, from, to int) {
		own := begun
		own.part, own.locals = newPart(own.pkg), &scope{maps.Clone(begun.locals.taken)}
		for i := from; i < to; i++ {
			own.owner = i
			own.task(&own.pkg.Tasks[i])
			own.full()
		}
		own.end()
		parts[n] = own.parts
	})
	return func() []Part {
		wait()
		return slices.Concat(parts...)
	}
}

// sideBySide begins to call a function for stretches of the numbers below n, one for
// each processor, and returns a function that waits for the end.
func sideBySide(n int, f func(stretch, from, to int)) (wait func()) {
	var g errgroup.Group
	processors := runtime.GOMAXPROCS(0)
	for i := range processors {
		g.Go(func() error {
			f(i, i*n/processors, (i+1)*n/processors)
			return nil
		})
	}
	return func() { _ = g.Wait() } // the functions return nil
}

// file is a Go file under construction.
type file struct {
	pkg     *model.Package
	imports map[string]string // the name of each import, by path
	written map[string]string // the name written in the import, by path; empty: none
	names   *scope            // source of the names at package level that are not fixed
	locals  *scope            // source of the names of parameters
	schemas map[*model.Task]schema.Document
	shared  map[string]string // the constants of definitions that several schemas share, by their text
	taken   map[string]bool   // the names of the package's Scope

	parts []Part // finished parts
	part  Part   // the current part
	kind  Kind   // of the current declarations
	owner int    // their task
	rough bool   // the current declaration may differ from gofmt's layout
}

func newFile(pkg *model.Package) *file {
	f := &file{pkg: pkg, imports: make(map[string]string), written: make(map[string]string), part: newPart(pkg)}
	f.nameImports()
	return f
}

// task writes all declarations of one task, in a reader's order.
func (f *file) task(t *model.Task) {
	w := taskWords(t)
	f.kind = Spec
	f.spec(t, w)
	f.kind = Frame
	f.enqueue(t, w)
	f.enqueueBatch(t, w)
	f.jobs(t, w)
	f.handler(t, w)
	f.register(t, w)
	f.onDead(t, w)
	f.await(t, w)
	f.redaction(t)
}

// words are the values of $words in the text of a declaration.
type words map[string]string

// taskWords are the names of a task.
func taskWords(t *model.Task) words {
	return words{
		"Struct": t.Struct, "Type": typeName(t), "Spec": specName(t),
		"Enqueue": enqueueName(t), "EnqueueBatch": batchName(t), "Await": awaitName(t),
		"Handler": handlerName(t), "HandlerFunc": handlerFuncName(t), "Handle": handleName(t), "Register": registerName(t), "OnDead": onDeadName(t),
		"Schedule": scheduleName(t), "Modify": modifyName(t),
	}
}

// machinery are the packages that are words.
var machinery = map[string]string{
	"context": "context", "fmt": "fmt", "slog": "log/slog", "time": "time", "runtime": RuntimePath,
	"generated": GeneratedPath, "schedule": SchedulePath,
}

// expand replaces the $words of a text: the given ones, and those with a fixed meaning,
// a package or a predeclared type.
func (f *file) expand(text string, w words) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/2)
	for {
		before, rest, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
		if end < 0 {
			end = len(rest)
		}
		b.WriteString(f.word(rest[:end], w))
		text = rest[end:]
	}
}

func (f *file) word(name string, w words) string {
	if text, ok := w[name]; ok {
		return text
	}
	if path, ok := machinery[name]; ok {
		return f.use(path)
	}
	switch name {
	case "string", "error", "rune":
		return f.predeclared(name)
	case "any":
		return f.typ(&model.Type{Kind: model.Any})
	}
	panic(fmt.Sprintf("gosrc: unknown name $%s", name))
}

// declare adds a declaration at package level under its comment, with a blank line
// before it. A line break at the beginning of the text is dropped.
func (f *file) declare(doc, text string, w words) {
	text = f.expand(strings.TrimPrefix(text, "\n"), w)
	if f.rough {
		f.rough = false
		doc, text = "", gofmt(doc+text)
	}
	from := len(f.part.text)
	to := append(append(f.part.text, '\n'), doc...)
	f.part.text = append(append(to, text...), '\n')
	f.part.declarations = append(f.part.declarations, span{f.kind, f.owner, from, len(f.part.text)})
}

// full ends a part that is large enough. A task has everything but its guard in one
// part.
func (f *file) full() {
	if len(f.part.declarations) >= stretch {
		f.end()
	}
}

// end ends a part.
func (f *file) end() {
	for path := range f.part.imports {
		f.part.names[f.imports[path]] = path
	}
	f.parts = append(f.parts, f.part)
	f.part = newPart(f.pkg)
}
