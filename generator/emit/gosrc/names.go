package gosrc

import (
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/model"
)

// The names that are law: users write them. A test holds them to
// model.Task.Symbols.
func typeName(t *model.Task) string        { return "Type" + t.Base }
func specName(t *model.Task) string        { return t.Base + "Spec" }
func enqueueName(t *model.Task) string     { return "Enqueue" + t.Base }
func batchName(t *model.Task) string       { return "Enqueue" + t.Base + "Batch" }
func handlerName(t *model.Task) string     { return t.Base + "Handler" }
func handlerFuncName(t *model.Task) string { return t.Base + "HandlerFunc" }
func handleName(t *model.Task) string      { return "Handle" + t.Base }
func registerName(t *model.Task) string    { return "Register" + t.Base }
func scheduleName(t *model.Task) string    { return "Schedule" + t.Base }
func modifyName(t *model.Task) string      { return "Modify" + t.Base }
func awaitName(t *model.Task) string       { return "Await" + t.Base }

// groupField is the field that orders tasks on a FIFO queue, or nil.
func groupField(t *model.Task) *model.Field {
	for _, f := range t.All() {
		if f.Group {
			return f
		}
	}
	return nil
}

func hasSecrets(t *model.Task) bool { return len(t.Secrets) > 0 }

// taken says that the struct has a method or field of that name, so that no
// method can be added, or should be.
func taken(t *model.Task, name string) bool {
	return slices.Contains(t.Methods, name) || slices.Contains(t.Promoted, name) ||
		slices.ContainsFunc(t.Fields, func(f model.Field) bool { return f.Name == name })
}

// plural names several values of a type in prose.
func plural(name string) string {
	if strings.HasSuffix(name, "s") {
		return "values of type " + name
	}
	return name + "s"
}
