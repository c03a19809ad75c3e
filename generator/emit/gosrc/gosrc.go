// Package gosrc writes the Go file of a package of tasks: the model in, source
// out. What it writes stays thin: each function is a line or two over package
// runtime, so that a change of behaviour is a change of the runtime.
//
// Jennifer knows nothing about scopes, so this package hands out every name
// that is not fixed by the rules (import names, parameters) itself; see scope.
package gosrc

import (
	"bytes"
	"fmt"

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
	f.wireNames()
	f.definitions()
	f.handlers()
	f.schedules()
	f.queues()
	for i := range pkg.Tasks {
		f.task(&pkg.Tasks[i])
	}
	f.holders()
	f.guards()
	return f.render()
}

// file is a Go file that is being written.
type file struct {
	pkg     *model.Package
	out     *jen.File
	imports map[string]string // the name of each import, by path
	names   *scope            // where names at package level come from that are not law
	locals  *scope            // where names of parameters come from
	shared  map[string]string // the constants of definitions that several schemas have, by their text
}

func newFile(pkg *model.Package) *file {
	f := &file{pkg: pkg, out: jen.NewFilePathName(pkg.Path, pkg.Name), imports: make(map[string]string)}
	f.out.NoFormat = true // that is for later: see File
	f.nameImports()
	return f
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
}

func (f *file) render() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(model.Header + "\n\n")
	if f.pkg.Constraint != "" {
		b.WriteString("//go:build " + f.pkg.Constraint + "\n\n")
	}
	if err := f.out.Render(&b); err != nil {
		return nil, fmt.Errorf("write the code of package %s: %w", f.pkg.Path, err)
	}
	return groupImports(b.Bytes()), nil
}
