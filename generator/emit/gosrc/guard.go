package gosrc

import (
	"slices"

	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// VersionGuard is the constant that a runtime has which is new enough for the
// files that this package writes.
const VersionGuard = "GeneratedCodeVersion1"

// guards writes what makes the compiler complain when the file is out of date:
// a constant that an older runtime does not have, and for each struct an
// assignment that holds as long as its fields, their types and their tags are
// what they were.
func (f *file) guards() {
	f.declare(
		doc("Where this does not compile, the runtime is older than this file: run go get github.com/taskgen/taskgen@latest."),
		// const _ = runtime.GeneratedCodeVersion1
		jen.Const().Id("_").Op("=").Qual(RuntimePath, VersionGuard),
	)
	for i := range f.pkg.Tasks {
		t := &f.pkg.Tasks[i]
		f.declare(
			doc("Where this does not compile, "+t.Struct+" has changed since the file was written: run taskgen again."),
			f.guard(t),
		)
	}
}

func (f *file) guard(t *model.Task) *jen.Statement {
	var stated []model.Field
	for _, field := range t.Fields {
		if restatable(&field.Type) {
			stated = append(stated, field)
		}
	}
	if len(stated) == len(t.Fields) {
		// var _ struct{…} = EmbeddingTask{}
		return jen.Var().Id("_").Add(f.structOf(stated)).Op("=").Id(t.Struct).Values()
	}
	// A field of a type that cannot be written down here, and does not travel:
	// the others are held to one by one, as far as they have names.
	// var _ = struct{…}{EmbeddingTask{}.Text, EmbeddingTask{}.Model}
	stated = slices.DeleteFunc(stated, func(field model.Field) bool { return field.Name == "_" })
	values := make([]jen.Code, len(stated))
	for i := range stated {
		values[i] = jen.Id(t.Struct).Values().Dot(stated[i].Name)
	}
	return jen.Var().Id("_").Op("=").Add(f.structOf(stated)).Values(values...)
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
