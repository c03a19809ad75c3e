package gosrc

import (
	"time"

	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// wireNames writes the constants by which tasks are told apart on the wire.
func (f *file) wireNames() {
	names := make([]jen.Code, len(f.pkg.Tasks))
	for i := range f.pkg.Tasks {
		// TypeEmbedding = "embedding"
		names[i] = jen.Id(typeName(&f.pkg.Tasks[i])).Op("=").Lit(f.pkg.Tasks[i].Type)
	}
	switch len(names) {
	case 0:
	case 1:
		f.declare(doc(typeName(&f.pkg.Tasks[0])+" is the wire name of "+f.pkg.Tasks[0].Struct+"."), jen.Const().Add(names...))
	default:
		f.declare(doc("The wire names of the tasks."), jen.Const().Defs(names...))
	}
}

// spec writes the variable that says all there is to say about a task.
func (f *file) spec(t *model.Task) {
	var l literal
	l.set("Type", jen.Id(typeName(t)))
	if len(t.Aliases) > 0 {
		l.set("Aliases", f.strings(t.Aliases))
	}
	l.set("Queue", jen.Lit(t.Queue))
	if t.Timeout != 0 {
		l.set("Timeout", duration(t.Timeout))
	}
	if t.Priority != 0 {
		l.set("Priority", jen.Lit(t.Priority))
	}
	if t.Retry != (model.Retry{}) {
		l.set("Retry", f.retry(&t.Retry))
	}
	if t.Unique != nil {
		l.set("UniqueKey", f.uniqueKey(t))
		if t.Unique.Within != 0 {
			l.set("UniqueFor", duration(t.Unique.Within))
		}
	}
	if g := groupField(t); g != nil {
		l.set("GroupKey", f.groupKey(t, g))
	}
	if len(required(t)) > 0 {
		l.set("Validate", f.validate(t))
	}
	if hasSecrets(t) {
		l.set("Secrets", f.strings(t.Secrets))
		if h := f.holderOf(t); f.pkg.HidesJSON(&h) {
			l.set("Plain", f.plainFunc(t))
		}
	}
	if t.Concurrency != 0 {
		l.set("Concurrency", jen.Lit(t.Concurrency))
	}
	if t.Rate != (model.Rate{}) {
		// runtime.Rate{Limit: 100, Per: time.Second}
		var rate literal
		rate.set("Limit", jen.Lit(t.Rate.Limit))
		rate.set("Per", duration(t.Rate.Per))
		l.set("Rate", jen.Qual(RuntimePath, "Rate").Add(rate.inline()))
	}
	if t.Retention != 0 {
		l.set("Retention", duration(t.Retention))
	}
	l.set("Schema", f.schema(t))
	// var EmbeddingSpec = runtime.Spec[EmbeddingTask]{…}
	f.declare(
		doc(specName(t)+" describes "+t.Struct+" to the runtime: its name, its queue, its limits and the schema of its payload."),
		jen.Var().Id(specName(t)).Op("=").Qual(RuntimePath, "Spec").Types(jen.Id(t.Struct)).Add(l.values()),
	)
}

// strings is []string{"a", "b"}.
func (f *file) strings(values []string) *jen.Statement {
	items := make([]jen.Code, len(values))
	for i, v := range values {
		items[i] = jen.Lit(v)
	}
	return jen.Index().Add(f.predeclared("string")).Values(items...)
}

var backoffs = map[string]string{"constant": "Constant", "linear": "Linear", "exponential": "Exponential"}

// retry is runtime.RetryPolicy{…}.
func (f *file) retry(r *model.Retry) *jen.Statement {
	var l literal
	l.set("Max", jen.Lit(r.Max))
	if name, ok := backoffs[r.Backoff]; ok {
		l.set("Backoff", jen.Qual(RuntimePath, name))
	}
	if r.Base != 0 {
		l.set("Base", duration(r.Base))
	}
	if r.Cap != 0 {
		l.set("Cap", duration(r.Cap))
	}
	if r.Factor != 0 {
		l.set("Factor", number(r.Factor))
	}
	if r.Jitter != 0 {
		l.set("Jitter", number(r.Jitter))
	}
	value := l.values()
	if len(l.fields) == 1 {
		value = l.inline()
	}
	return jen.Qual(RuntimePath, "RetryPolicy").Add(value)
}

// payloadFunc is func(task *EmbeddingTask) result { … }.
func (f *file) payloadFunc(t *model.Task, result string, body func(task string) []jen.Code) *jen.Statement {
	task := f.params("task")[0]
	return jen.Func().Params(jen.Id(task).Op("*").Id(t.Struct)).Add(f.predeclared(result)).Block(body(task)...)
}

// uniqueKey is a function that makes a key out of the fields of by=.
func (f *file) uniqueKey(t *model.Task) *jen.Statement {
	return f.payloadFunc(t, "string", func(task string) []jen.Code {
		parts := make([]jen.Code, len(t.Unique.By))
		for i, field := range t.Unique.By {
			parts[i] = jen.Op("&").Id(task).Dot(field)
		}
		// return runtime.KeyOf(&task.Text, &task.Model)
		return []jen.Code{jen.Return(jen.Qual(RuntimePath, "KeyOf").Call(parts...))}
	})
}

// groupKey is a function that makes text of the field tagged group, a string or
// an integer.
func (f *file) groupKey(t *model.Task, g *model.Field) *jen.Statement {
	return f.payloadFunc(t, "string", func(task string) []jen.Code {
		value := jen.Id(task).Dot(g.Name)
		switch {
		case g.Type.Kind == model.Basic && g.Type.Name == "string":
			// return task.Account
			return []jen.Code{jen.Return(value)}
		case g.Type.BasicName == "string":
			// return string(task.Account)
			return []jen.Code{jen.Return(f.predeclared("string").Call(value))}
		}
		// return fmt.Sprintf("%d", task.Account)
		return []jen.Code{jen.Return(jen.Qual("fmt", "Sprintf").Call(jen.Lit("%d"), value))}
	})
}

// required lists the fields that must not be missing.
func required(t *model.Task) []*model.Field {
	var fields []*model.Field
	for _, f := range t.All() {
		if f.Required {
			fields = append(fields, f)
		}
	}
	return fields
}

// validate is a function that reports the first required field that is missing.
func (f *file) validate(t *model.Task) *jen.Statement {
	fields := required(t)
	return f.payloadFunc(t, "error", func(task string) []jen.Code {
		missing := func(field *model.Field) *jen.Statement {
			return f.zero(jen.Id(task).Dot(field.Name), &field.Type)
		}
		report := func(field *model.Field) *jen.Statement {
			// return runtime.Missing(TypeEmbedding, "text")
			return jen.Return(jen.Qual(RuntimePath, "Missing").Call(jen.Id(typeName(t)), jen.Lit(field.JSON)))
		}
		if len(fields) == 1 {
			// if task.Text == "" { … }
			return []jen.Code{jen.If(missing(fields[0])).Block(report(fields[0])), jen.Return(jen.Nil())}
		}
		cases := make([]jen.Code, len(fields))
		for i, field := range fields {
			// case task.Text == "": …
			cases[i] = jen.Case(missing(field)).Block(report(field))
		}
		return []jen.Code{jen.Switch().Block(cases...), jen.Return(jen.Nil())}
	})
}

// usesTime says that the file prints a duration.
func usesTime(pkg *model.Package) bool {
	for i := range pkg.Queues {
		if pkg.Queues[i].Visibility|pkg.Queues[i].Retention != 0 {
			return true
		}
	}
	for i := range pkg.Tasks {
		t := &pkg.Tasks[i]
		var within time.Duration
		if t.Unique != nil {
			within = t.Unique.Within
		}
		if t.Timeout|t.Retry.Base|t.Retry.Cap|t.Rate.Per|t.Retention|within != 0 {
			return true
		}
	}
	return false
}
