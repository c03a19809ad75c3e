package gosrc

import (
	"slices"

	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// An exhibit is a type that gets the methods by which it is shown, those that it
// does not have already: LogValue always, those of package fmt and MarshalJSON
// where there is a secret that they would tell.
type exhibit struct {
	model.Holder
	noun   string // what a value of it is called
	secret bool
}

// redaction writes the methods by which a task is shown.
func (f *file) redaction(t *model.Task) {
	e := exhibit{f.holderOf(t), "the task", hasSecrets(t)}
	f.logValue(&e)
	if e.secret {
		f.hiding(&e)
	}
}

// holderOf is a task as one of the package's holders, whether it is one or not.
func (f *file) holderOf(t *model.Task) model.Holder {
	if h := f.pkg.Holder(t.Struct); h != nil {
		return *h
	}
	h := model.Holder{Name: t.Struct, Methods: t.Methods, Fields: slices.Clone(t.Promoted)}
	for i := range t.Fields {
		h.Fields = append(h.Fields, t.Fields[i].Name)
	}
	return h
}

// holders writes the methods of the other types that hold secrets.
func (f *file) holders() {
	for _, h := range f.pkg.Holders {
		if slices.ContainsFunc(f.pkg.Tasks, func(t model.Task) bool { return t.Struct == h.Name && hasSecrets(&t) }) {
			continue
		}
		e := exhibit{h, "the value", true}
		if !slices.ContainsFunc(f.pkg.Tasks, func(t model.Task) bool { return t.Struct == h.Name }) {
			f.logValue(&e)
		}
		f.hiding(&e)
	}
}

func (f *file) logValue(e *exhibit) {
	if e.Has("LogValue") {
		return
	}
	text := "LogValue is " + e.noun + " as a log may show it."
	if e.secret {
		text = "LogValue is " + e.noun + " as a log may show it, without its secrets."
	}
	m := f.method(e)
	// func (t EmbeddingTask) LogValue() slog.Value { return runtime.LogValue(t) }
	f.declare(doc(text), m.receiver().Id("LogValue").Params().Qual("log/slog", "Value").Block(
		jen.Return(jen.Qual(RuntimePath, "LogValue").Call(jen.Id(m.value))),
	))
}

// hiding writes the methods that package fmt and encoding/json call.
func (f *file) hiding(e *exhibit) {
	m := f.method(e)
	for _, name := range []string{"String", "GoString"} {
		if e.Has(name) {
			continue
		}
		// func (t EmbeddingTask) String() string { return runtime.RedactedString(t) }
		f.declare(doc(name+" is "+e.noun+" as text, without its secrets."), m.receiver().Id(name).Params().Add(f.predeclared("string")).Block(
			jen.Return(jen.Qual(RuntimePath, "RedactedString").Call(jen.Id(m.value))),
		))
	}
	if !e.Has("Format") {
		// func (t EmbeddingTask) Format(f fmt.State, verb rune) { runtime.FormatRedacted(f, verb, &t) }
		f.declare(doc("Format prints "+e.noun+" without its secrets, whatever the verb."), m.receiver().Id("Format").Params(
			jen.Id(m.state).Qual("fmt", "State"), jen.Id(m.verb).Add(f.predeclared("rune")),
		).Block(
			jen.Qual(RuntimePath, "FormatRedacted").Call(jen.Id(m.state), jen.Id(m.verb), m.pointer()),
		))
	}
	if f.pkg.HidesJSON(&e.Holder) {
		whole, plain := f.plain(e, m)
		// func (t EmbeddingTask) MarshalJSON() ([]byte, error) {
		// 	type plain EmbeddingTask
		// 	return runtime.MarshalRedacted(&t, (*plain)(&t))
		// }
		f.declare(doc("MarshalJSON is "+e.noun+" as JSON: whole, but for a log without its secrets."), m.receiver().Id("MarshalJSON").Params().
			Params(jen.Index().Byte(), jen.Error()).Block(
			whole,
			jen.Return(jen.Qual(RuntimePath, "MarshalRedacted").Call(m.pointer(), plain)),
		))
	}
}

// plainFunc is a function that takes a task for a type without methods, which is
// encoded without asking whether a log wants it.
func (f *file) plainFunc(t *model.Task) *jen.Statement {
	e := exhibit{Holder: f.holderOf(t)}
	e.Locked = true // its value is a pointer here, too
	names := f.params("task", "plain")
	m := method{exhibit: &e, value: names[0], local: names[1]}
	whole, plain := f.plain(&e, m)
	// func(task *EmbeddingTask) any {
	// 	type plain EmbeddingTask
	// 	return (*plain)(task)
	// }
	return jen.Func().Params(jen.Id(m.value).Op("*").Id(t.Struct)).Add(f.typ(&model.Type{Kind: model.Any})).Block(whole, jen.Return(plain))
}

// plain declares a type like the exhibit without its MarshalJSON, and makes the
// value at hand one. A type that embeds another still has the MarshalJSON of that
// one. There the new type embeds the exhibit, together with what makes the method
// ambiguous, and encoding/json takes the fields from it as if they were its own.
func (f *file) plain(e *exhibit, m method) (declared, value *jen.Statement) {
	if !e.Embeds {
		// type plain EmbeddingTask; (*plain)(&t)
		return jen.Type().Id(m.local).Add(m.typ()), jen.Parens(jen.Op("*").Id(m.local)).Parens(m.pointer())
	}
	// type plain struct { *EmbeddingTask; runtime.NoMarshalJSON }; &plain{EmbeddingTask: &t}
	declared = jen.Type().Id(m.local).Struct(jen.Op("*").Add(m.typ()), jen.Qual(RuntimePath, "NoMarshalJSON"))
	return declared, jen.Op("&").Id(m.local).Values(jen.Id(e.Name).Op(":").Add(m.pointer()))
}

// A method has the names that stand in the methods of one exhibit.
type method struct {
	*exhibit
	value, state, verb, local string
	params                    []string // type parameters
}

func (f *file) method(e *exhibit) method {
	usual := []string{"t", "f", "verb", "plain"}
	for range e.Params {
		usual = append(usual, "T")
	}
	p := f.params(usual...)
	return method{e, p[0], p[1], p[2], p[3], p[4:]}
}

// typ is the exhibit as its own methods write it: EmbeddingTask, Box[T].
func (m method) typ() *jen.Statement {
	s := jen.Id(m.Name)
	if len(m.params) > 0 {
		args := make([]jen.Code, len(m.params))
		for i, name := range m.params {
			args[i] = jen.Id(name)
		}
		s.Types(args...)
	}
	return s
}

// receiver is func (t EmbeddingTask), or a pointer where values may not be copied.
func (m method) receiver() *jen.Statement {
	if m.Locked {
		return jen.Func().Params(jen.Id(m.value).Op("*").Add(m.typ()))
	}
	return jen.Func().Params(jen.Id(m.value).Add(m.typ()))
}

// pointer points to the value that the method is called on.
func (m method) pointer() *jen.Statement {
	if m.Locked {
		return jen.Id(m.value)
	}
	return jen.Op("&").Id(m.value)
}
