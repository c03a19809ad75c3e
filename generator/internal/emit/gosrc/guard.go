package gosrc

import (
	"slices"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// VersionGuard is a constant of every runtime that is new enough for the files that
// this package writes. The compiler prints its name if it is missing, so the name says
// what to do.
const VersionGuard = "Version1_missing_run_go_get"

// guards writes declarations that do not compile if the file is out of date: a constant
// that an older runtime lacks, and for each struct an assignment that compiles only
// while its fields, their types and their tags are unchanged.
func (f *file) guards() {
	f.declare(doc("If this does not compile, the runtime is older than this file: run go get github.com/taskgen/taskgen@latest."), `
const _ = $generated.$guard`, words{"guard": VersionGuard})
	f.kind = Guard
	for i := range f.pkg.Tasks {
		f.owner = i
		f.guard(&f.pkg.Tasks[i])
		f.full()
	}
}

// guard writes the guard of one struct. The compiler prints names of types as in the
// source, aliases too: "cannot use PayTask{} (value of struct type PayTask) as
// payTask_has_changed_run_go_generate value in variable declaration".
func (f *file) guard(t *model.Task) {
	comment := doc("If this does not compile, " + t.Struct + " has changed since this file was generated: run go generate.")
	name := f.names.pick(unexported(t.Struct) + "_has_changed_run_go_generate")
	if !slices.ContainsFunc(t.Fields, func(field model.Field) bool { return !restatable(&field.Type) }) {
		f.declare(comment, `
type $guard = $struct

var _ $guard = $Struct{}`, words{"guard": name, "struct": f.structOf(t.Fields), "Struct": t.Struct})
		return
	}
	// A field that is not in the message has a type that cannot be written here: the
	// other fields are guarded one by one, if they have names.
	var types, values group
	// embeddingTask_has_changed_run_go_generate = EmbeddingTask
	types.add(name, "= "+t.Struct)
	for i := range t.Fields {
		field := &t.Fields[i]
		if field.Name == "_" || !restatable(&field.Type) {
			continue
		}
		typ := f.names.pick(name + "_" + field.Name)
		// embeddingTask_has_changed_run_go_generate_Text = string
		types.add(typ, "= "+f.restate(&field.Type))
		// _ embeddingTask_has_changed_run_go_generate_Text = embeddingTask_has_changed_run_go_generate{}.Text
		values.add("_", typ, "= "+name+"{}."+field.Name)
	}
	f.declare(comment, `
type $types

var $values`, words{"types": types.text(), "values": values.text()})
}

// restatable reports whether the generated file can write the type.
func restatable(t *model.Type) bool {
	ok := true
	walk(t, func(t *model.Type) {
		if t.Kind == model.Iface || t.Kind == model.Opaque {
			ok = false
		}
	})
	return ok
}
