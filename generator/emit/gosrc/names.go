package gosrc

import (
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/diag"
	"github.com/taskgen/taskgen/generator/model"
)

// The names that are law: users write them.
func typeName(t *model.Task) string        { return "Type" + t.Base }
func specName(t *model.Task) string        { return t.Base + "Spec" }
func enqueueName(t *model.Task) string     { return "Enqueue" + t.Base }
func batchName(t *model.Task) string       { return "Enqueue" + t.Base + "Batch" }
func handlerName(t *model.Task) string     { return t.Base + "Handler" }
func handlerFuncName(t *model.Task) string { return t.Base + "HandlerFunc" }
func handleName(t *model.Task) string      { return "Handle" + t.Base }
func registerName(t *model.Task) string    { return "Register" + t.Base }
func awaitName(t *model.Task) string       { return "Await" + t.Base }

// A symbol is a package-level name that the file declares, and the task that it
// belongs to; nil: it belongs to the package.
type symbol struct {
	name string
	task *model.Task
}

// symbols lists what the file declares, in no order that matters.
func symbols(pkg *model.Package) []symbol {
	var all []symbol
	for i := range pkg.Tasks {
		t := &pkg.Tasks[i]
		for _, name := range []string{
			typeName(t), specName(t), enqueueName(t), batchName(t),
			handlerName(t), handlerFuncName(t), registerName(t),
		} {
			all = append(all, symbol{name, t})
		}
		if t.Result != nil {
			all = append(all, symbol{awaitName(t), t})
		}
	}
	if len(pkg.Tasks) > 0 {
		all = append(all, symbol{"Handlers", nil}, symbol{"RegisterHandlers", nil})
	}
	if len(pkg.Queues) > 0 {
		all = append(all, symbol{"Queues", nil})
	}
	return all
}

// Conflicts says why the package's generated file would not compile: a name
// that it declares is taken, or one that it needs means something else.
func Conflicts(pkg *model.Package) []diag.Diagnostic {
	var found []diag.Diagnostic
	report := func(rule string, pos model.Pos, message, fix string) {
		found = append(found, diag.Diagnostic{Rule: rule, Severity: diag.Error, Pos: pos, Message: message, Fix: fix})
	}
	first := make(map[string]*model.Task)
	for _, s := range symbols(pkg) {
		pos, what := packagePos(pkg), "the package"
		if s.task != nil {
			pos, what = s.task.Pos, s.task.Struct
		}
		if slices.Contains(pkg.Scope, s.name) {
			report("NAME_TAKEN", pos, "the code of "+what+" declares "+s.name+", and so does the package already",
				"rename the package's own "+s.name)
		}
		other, taken := first[s.name]
		if taken {
			d := diag.Diagnostic{
				Rule: "NAME_TAKEN", Severity: diag.Error, Pos: pos,
				Message: "the code of " + what + " declares " + s.name + ", and so does that of " + structOf(other),
				Fix:     "rename one of the structs",
			}
			if other != nil {
				d.Related = &diag.Related{Pos: other.Pos, Note: "the other one"}
			}
			found = append(found, d)
		}
		first[s.name] = s.task
	}
	for _, name := range []string{"nil", "len"} {
		if slices.Contains(pkg.Scope, name) {
			report("PREDECLARED_TAKEN", packagePos(pkg), "the package gives the predeclared name "+name+" another meaning, and generated code needs it",
				"rename the package's own "+name)
		}
	}
	return found
}

func structOf(t *model.Task) string {
	if t == nil {
		return "the package"
	}
	return t.Struct
}

// packagePos stands for the package where a finding has no better place.
func packagePos(pkg *model.Package) model.Pos {
	switch {
	case len(pkg.Tasks) > 0:
		return pkg.Tasks[0].Pos
	case len(pkg.Queues) > 0:
		return pkg.Queues[0].Pos
	}
	return model.Pos{}
}

// groupField is the field that orders tasks on a FIFO queue, or nil.
func groupField(t *model.Task) *model.Field {
	for i := range t.Fields {
		if t.Fields[i].Group {
			return &t.Fields[i]
		}
	}
	return nil
}

// secretPaths are the JSON paths of the task's secrets.
func secretPaths(t *model.Task) []string {
	if len(t.Secrets) > 0 {
		return t.Secrets
	}
	var paths []string
	for _, f := range t.Fields {
		if f.Secret {
			paths = append(paths, wireName(&f))
		}
	}
	return paths
}

func hasSecrets(t *model.Task) bool { return len(secretPaths(t)) > 0 }

// wireName is what a field is called on the wire, or in Go where it does not
// travel.
func wireName(f *model.Field) string {
	if f.JSON != "" {
		return f.JSON
	}
	return f.Name
}

// taken says that the struct has a method or field of that name, so that no
// method can be added, or should be.
func taken(t *model.Task, name string) bool {
	return slices.Contains(t.Methods, name) ||
		slices.ContainsFunc(t.Fields, func(f model.Field) bool { return f.Name == name })
}

// plural names several values of a type in prose.
func plural(name string) string {
	if strings.HasSuffix(name, "s") {
		return "values of type " + name
	}
	return name + "s"
}
