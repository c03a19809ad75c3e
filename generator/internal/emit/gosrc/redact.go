package gosrc

import (
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// An exhibit is a type that gets the methods for printing it that it lacks: LogValue
// always, those of package fmt and MarshalJSON if they would show a secret.
type exhibit struct {
	model.Holder
	noun   string // the word for a value of it
	secret bool
}

// redaction writes the methods by which a task is printed.
func (f *file) redaction(t *model.Task) {
	e := exhibit{f.holderOf(t), "the task", hasSecrets(t)}
	f.logValue(&e)
	if e.secret {
		f.hiding(&e)
	}
}

// holderOf is a task as one of the package's holders, even if it is none.
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
	f.declare(doc(text), `
func ($t $Receiver) LogValue() $slog.Value {
	return $generated.LogValue($t)
}`, f.methodWords(e))
}

// hiding writes the methods that package fmt and encoding/json call.
func (f *file) hiding(e *exhibit) {
	w := f.methodWords(e)
	for _, name := range []string{"String", "GoString"} {
		if e.Has(name) {
			continue
		}
		w["Method"] = name
		f.declare(doc(name+" is "+e.noun+" as text, without its secrets."), `
func ($t $Receiver) $Method() $string {
	return $generated.Text($t)
}`, w)
	}
	if !e.Has("Format") {
		f.declare(doc("Format prints "+e.noun+" without its secrets, whatever the verb."), `
func ($t $Receiver) Format($f $fmt.State, $verb $rune) {
	$generated.Format($f, $verb, $pointer)
}`, w)
	}
	if f.pkg.HidesJSON(&e.Holder) {
		f.declare(doc("MarshalJSON is "+e.noun+" as JSON: whole, but for a log without its secrets."), `
func ($t $Receiver) MarshalJSON() ([]byte, error) {
	`+plainDecl(e)+`
	return $generated.MarshalJSON($pointer, `+plainValue(e)+`)
}`, w)
	}
}

// plainFunc is a function that turns a task into a type without methods, which is
// encoded without a check for logs.
func (f *file) plainFunc(t *model.Task) string {
	e := exhibit{Holder: f.holderOf(t)}
	w := words{"Exhibit": t.Struct, "Name": e.Name}
	f.params(w, "task", "plain")
	w["pointer"] = w["task"]
	return f.expand(`func($task *$Exhibit) $any {
	`+plainDecl(&e)+`
	return `+plainValue(&e)+`
}`, w)
}

// plainDecl declares a type like the exhibit without its MarshalJSON. A type that
// embeds another still has the MarshalJSON of that one. In that case the new type
// embeds the exhibit and a second type that makes the method ambiguous, and
// encoding/json takes the exhibit's fields as its own.
func plainDecl(e *exhibit) string {
	if !e.Embeds {
		return `type $plain $Exhibit`
	}
	return `type $plain struct {
		*$Exhibit
		$generated.NoMarshalJSON
	}`
}

// plainValue turns the current value into one of that type.
func plainValue(e *exhibit) string {
	if !e.Embeds {
		return `(*$plain)($pointer)`
	}
	return `&$plain{$Name: $pointer}`
}

// methodWords are the words of an exhibit's methods: Exhibit is its type as its own
// methods write it, as in Box[T]; Receiver is Exhibit, or a pointer to it if values
// must not be copied; pointer points to the value on which a method is called.
func (f *file) methodWords(e *exhibit) words {
	w := words{"Name": e.Name, "Exhibit": e.Name}
	usual := []string{"t", "f", "verb", "plain"}
	if params := f.params(w, append(usual, slices.Repeat([]string{"T"}, e.Params)...)...)[len(usual):]; len(params) > 0 {
		w["Exhibit"] += "[" + strings.Join(params, ", ") + "]"
	}
	w["Receiver"], w["pointer"] = w["Exhibit"], "&"+w["t"]
	if e.Locked {
		w["Receiver"], w["pointer"] = "*"+w["Exhibit"], w["t"]
	}
	return w
}
