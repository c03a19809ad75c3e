package gosrc

import (
	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// VersionGuard is the constant that a runtime has which is new enough for the
// files that this package writes. The compiler prints its name when it is missing,
// so the name says what to do.
const VersionGuard = "GeneratedCodeVersion2_missing_run_go_get"

// guards writes what makes the compiler complain when the file is out of date:
// a constant that an older runtime does not have, and for each struct an
// assignment that holds as long as its fields, their types and their tags are
// what they were.
func (f *file) guards() {
	f.declare(
		doc("If this does not compile, the runtime is older than this file: run go get github.com/taskgen/taskgen@latest."),
		// const _ = runtime.GeneratedCodeVersion2_missing_run_go_get
		jen.Const().Id("_").Op("=").Qual(RuntimePath, VersionGuard),
	)
	for i := range f.pkg.Tasks {
		f.guard(&f.pkg.Tasks[i])
	}
}

// guard writes the guard of one struct. The compiler prints names of types as the
// source has them, aliases too: "cannot use PayTask{} (value of struct type
// PayTask) as payTask_has_changed_run_go_generate value in variable declaration".
func (f *file) guard(t *model.Task) {
	comment := doc("If this does not compile, " + t.Struct + " has changed since this file was generated: run go generate.")
	name := f.names.pick(unexported(t.Struct) + "_has_changed_run_go_generate")
	var stated []model.Field
	for _, field := range t.Fields {
		if restatable(&field.Type) {
			stated = append(stated, field)
		}
	}
	if len(stated) == len(t.Fields) {
		f.declare(
			comment,
			// type embeddingTask_has_changed_run_go_generate = struct{…}
			jen.Type().Id(name).Op("=").Add(f.structOf(stated)),
			jen.Line(),
			// var _ embeddingTask_has_changed_run_go_generate = EmbeddingTask{}
			jen.Line().Var().Id("_").Id(name).Op("=").Id(t.Struct).Values(),
		)
		return
	}
	// A field of a type that cannot be written down here, and does not travel:
	// the others are held to one by one, as far as they have names.
	// embeddingTask_has_changed_run_go_generate = EmbeddingTask
	types, values := []jen.Code{jen.Id(name).Op("=").Id(t.Struct)}, []jen.Code{}
	for _, field := range stated {
		if field.Name == "_" {
			continue
		}
		typ := f.names.pick(name + "_" + field.Name)
		// embeddingTask_has_changed_run_go_generate_Text = string
		types = append(types, jen.Id(typ).Op("=").Add(f.typ(&field.Type)))
		// _ embeddingTask_has_changed_run_go_generate_Text = embeddingTask_has_changed_run_go_generate{}.Text
		values = append(values, jen.Id("_").Id(typ).Op("=").Id(name).Values().Dot(field.Name))
	}
	f.declare(comment, jen.Type().Defs(types...), jen.Line(), jen.Line().Var().Defs(values...))
}

// restatable says that the generated file can write the type down.
func restatable(t *model.Type) bool {
	ok := true
	walk(t, func(t *model.Type) {
		if t.Kind == model.Iface || t.Kind == model.Opaque {
			ok = false
		}
	})
	return ok
}
