// Package gosrc writes the Go file of a package of tasks: the model in, source
// out. What it writes stays thin: each function is a line or two over package
// runtime, so that a change of behaviour is a change of the runtime.
//
// Jennifer knows nothing about scopes, so this package hands out every name
// that is not fixed by the rules (import names, parameters) itself; see scope.
package gosrc

import (
	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// RuntimePath is the package that generated code calls.
const RuntimePath = "github.com/taskgen/taskgen/runtime"

// SchedulePath is the package that its functions about jobs call.
const SchedulePath = RuntimePath + "/schedule"

// File returns the source of the package's generated file, not formatted yet.
// The same package gives the same bytes.
func File(pkg *model.Package) ([]byte, error) {
	f := newFile(pkg)
	f.all()
	src, err := Part{pkg, f.out}.Source()
	if err != nil {
		return nil, err
	}
	return groupImports(append(header(pkg).Bytes(), src...)), nil
}

// all writes all declarations.
func (f *file) all() {
	f.wireNames()
	f.definitions()
	f.handlers()
	f.schedules()
	f.queues()
	for i := range f.pkg.Tasks {
		f.task(&f.pkg.Tasks[i])
	}
	f.holders()
	f.guards()
}

// file is a Go file that is being written.
type file struct {
	pkg     *model.Package
	out     *jen.File
	imports map[string]string // the name of each import, by path
	names   *scope            // where names at package level come from that are not law
	locals  *scope            // where names of parameters come from
	shared  map[string]string // the constants of definitions that several schemas have, by their text
	taken   map[string]bool   // the names of the package's Scope
	hints   []hint            // the imports by name, for the next part
	size    int               // declarations in out
	cut     func()            // ends a part; nil: there is one only
}

// A hint is the name by which a package is imported.
type hint struct {
	path, name string
	alias      bool // it stands in the import
}

func newFile(pkg *model.Package) *file {
	f := &file{pkg: pkg, imports: make(map[string]string)}
	f.nameImports()
	f.begin()
	return f
}

// begin begins a part.
func (f *file) begin() {
	f.size = 0
	f.out = jen.NewFilePathName(f.pkg.Path, f.pkg.Name)
	f.out.NoFormat = true // that is for later: see File
	for _, h := range f.hints {
		if h.alias {
			f.out.ImportAlias(h.path, h.name)
		} else {
			f.out.ImportName(h.path, h.name)
		}
	}
}

// task writes all that belongs to one task, in the order in which a reader
// would ask for it.
func (f *file) task(t *model.Task) {
	f.spec(t)
	f.enqueue(t)
	f.enqueueBatch(t)
	f.jobs(t)
	f.handler(t)
	f.register(t)
	f.await(t)
	f.redaction(t)
}

// declare adds a top-level declaration under its comment, with a blank line
// before it.
func (f *file) declare(doc string, code ...jen.Code) {
	f.out.Line()
	if doc != "" {
		f.out.Comment(doc)
	}
	f.out.Add(code...)
	f.size++
	if f.cut != nil && f.size == stretch {
		f.cut()
	}
}
