package gosrc

import (
	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// redaction writes the methods by which a task is shown, those that the struct
// does not have already: LogValue always, the methods of package fmt where
// there is a secret that they would tell.
func (f *file) redaction(t *model.Task) {
	p := f.params("t", "f", "verb")
	task, state, verb := p[0], p[1], p[2]
	receiver := func() *jen.Statement { return jen.Func().Params(jen.Id(task).Id(t.Struct)) }
	if !taken(t, "LogValue") {
		text := "LogValue is the task as a log may show it."
		if hasSecrets(t) {
			text = "LogValue is the task as a log may show it, without its secrets."
		}
		f.declare(
			doc(text),
			// func (t EmbeddingTask) LogValue() slog.Value { return runtime.Redact(t) }
			receiver().Id("LogValue").Params().Qual("log/slog", "Value").Block(
				jen.Return(jen.Qual(RuntimePath, "Redact").Call(jen.Id(task))),
			),
		)
	}
	if !hasSecrets(t) {
		return
	}
	for _, name := range []string{"String", "GoString"} {
		if taken(t, name) {
			continue
		}
		f.declare(
			doc(name+" is the task as text, without its secrets."),
			// func (t EmbeddingTask) String() string { return runtime.RedactedString(t) }
			receiver().Id(name).Params().Add(f.predeclared("string")).Block(
				jen.Return(jen.Qual(RuntimePath, "RedactedString").Call(jen.Id(task))),
			),
		)
	}
	if taken(t, "Format") {
		return
	}
	f.declare(
		doc("Format prints the task without its secrets, whatever the verb."),
		// func (t EmbeddingTask) Format(f fmt.State, verb rune) { runtime.FormatRedacted(f, verb, &t) }
		receiver().Id("Format").Params(
			jen.Id(state).Qual("fmt", "State"), jen.Id(verb).Add(f.predeclared("rune")),
		).Block(
			jen.Qual(RuntimePath, "FormatRedacted").Call(jen.Id(state), jen.Id(verb), jen.Op("&").Id(task)),
		),
	)
}
