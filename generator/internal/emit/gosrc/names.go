package gosrc

import (
	"unicode"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// The fixed names, which users write. A test compares them with model.Task.Symbols.
func typeName(t *model.Task) string        { return t.Name("Type" + t.Base) }
func specName(t *model.Task) string        { return t.Name(t.Base + "Spec") }
func enqueueName(t *model.Task) string     { return t.Name("Enqueue" + t.Base) }
func batchName(t *model.Task) string       { return t.Name("Enqueue" + t.Base + "Batch") }
func handlerName(t *model.Task) string     { return t.Name(t.Base + "Handler") }
func handlerFuncName(t *model.Task) string { return t.Name(t.Base + "HandlerFunc") }
func handleName(t *model.Task) string      { return t.Name("Handle" + t.Base) }
func registerName(t *model.Task) string    { return t.Name("Register" + t.Base) }
func onDeadName(t *model.Task) string      { return t.Name("OnDead" + t.Base) }
func scheduleName(t *model.Task) string    { return t.Name("Schedule" + t.Base) }
func modifyName(t *model.Task) string      { return t.Name("Modify" + t.Base) }
func awaitName(t *model.Task) string       { return t.Name("Await" + t.Base) }

// Names returns the names that belong to a task: those of its struct, its wire name and
// its spec, in that order, and then the other possible ones, 26 in all at most. If
// there are many schedules, the constants of the last are not among them.
func Names(t *model.Task) []string {
	names := []string{
		t.Struct, typeName(t), specName(t), enqueueName(t), batchName(t), handlerName(t), handlerFuncName(t), handleName(t),
		registerName(t), onDeadName(t), scheduleName(t), modifyName(t), awaitName(t),
	}
	for i := range t.Schedules {
		if len(names) < 26 {
			names = append(names, t.Name(t.Schedules[i].JobID(t)))
		}
	}
	return names
}

func hasSecrets(t *model.Task) bool { return len(t.Secrets) > 0 }

// unexported is a name with its first word in lower case: payTask, urlFetchTask.
func unexported(name string) string {
	letters := []rune(name)
	for i := range letters {
		last := i+1 == len(letters)
		if !unicode.IsUpper(letters[i]) || i > 0 && !last && unicode.IsLower(letters[i+1]) {
			break
		}
		letters[i] = unicode.ToLower(letters[i])
	}
	return string(letters)
}
