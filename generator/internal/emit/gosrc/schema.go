package gosrc

import (
	"cmp"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/emit/schema"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// definitions writes the constants of the definitions that the schemas of several tasks
// share. Definitions with the same text are the same: each schema defines the names
// that they refer to.
func (f *file) definitions() {
	f.shared = make(map[string]string)
	f.schemas = make(map[*model.Task]schema.Document, len(f.pkg.Tasks))
	documents := make([]schema.Document, len(f.pkg.Tasks))
	sideBySide(len(documents), func(_, from, to int) {
		for i := from; i < to; i++ {
			documents[i] = schema.Of(&f.pkg.Tasks[i])
		}
	})()
	tasks := make(map[schema.Definition]int)
	for i := range documents {
		f.schemas[&f.pkg.Tasks[i]] = documents[i]
		for _, d := range documents[i].Definitions {
			tasks[d]++
		}
	}
	var shared []schema.Definition
	for d, n := range tasks {
		if n > 1 {
			shared = append(shared, d)
		}
	}
	if len(shared) == 0 {
		return
	}
	slices.SortFunc(shared, func(a, b schema.Definition) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Text, b.Text))
	})
	var constants group
	for _, d := range shared {
		f.shared[d.Text] = f.names.pick("schema" + capital(d.Name))
		// schemaAccount = `"Account": {…}`
		constants.add(f.shared[d.Text], "= `"+d.Text+"`")
	}
	f.declare(doc("Definitions that the schemas of several tasks share."), `
const $constants`, words{"constants": constants.text()})
}

// capital turns the name of a definition, which has letters, digits, dots and
// underscores, into the end of an identifier: orderpb.Line is OrderpbLine.
func capital(name string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// schema is the JSON Schema of a task: a constant, whatever its parts.
func (f *file) schema(t *model.Task) string {
	var b strings.Builder
	b.WriteByte('`')
	for _, part := range f.schemas[t].Parts() {
		if name, ok := f.shared[part]; ok {
			// ` + schemaAccount + `
			part = "` + " + name + " + `"
		}
		b.WriteString(part)
	}
	b.WriteByte('`')
	return b.String()
}
