package gosrc

import "github.com/dave/jennifer/jen"

// guards writes what makes the compiler complain when the file is out of date:
// a constant that an older runtime does not have, and for each struct an
// assignment that holds as long as its fields, their types and their tags are
// what they were.
func (f *file) guards() {
	f.declare(
		doc("This file needs at least this version of the runtime. Where it is missing, go get github.com/taskgen/taskgen@latest."),
		// const _ = runtime.GeneratedCodeVersion1
		jen.Const().Id("_").Op("=").Qual(runtimePath, "GeneratedCodeVersion1"),
	)
	for i := range f.pkg.Tasks {
		t := &f.pkg.Tasks[i]
		f.declare(
			doc("Where this line does not compile, "+t.Struct+" has changed since the file was written: run taskgen again."),
			// var _ struct{…} = EmbeddingTask{}
			jen.Var().Id("_").Add(f.structOf(t.Fields)).Op("=").Id(t.Struct).Values(),
		)
	}
}
