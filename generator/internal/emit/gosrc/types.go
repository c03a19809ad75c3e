package gosrc

import (
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// typ is a type inside a larger construct: in a signature, say.
func (f *file) typ(t *model.Type) string {
	text := f.restate(t)
	f.rough = f.rough || strings.Contains(text, "\n")
	return text
}

// restate is the only conversion from the model's types to Go code.
func (f *file) restate(t *model.Type) string {
	switch t.Kind {
	case model.Named:
		name := t.Name
		if t.Path != "" && t.Path != f.pkg.Path {
			name = f.use(t.Path) + "." + name
		}
		if len(t.Args) == 0 {
			return name
		}
		var args list
		for i := range t.Args {
			args.add(f.typ(&t.Args[i]))
		}
		return name + "[" + args.joined() + "]"
	case model.Pointer:
		return "*" + f.restate(t.Elem)
	case model.Slice:
		return "[]" + f.restate(t.Elem)
	case model.Array:
		return "[" + strconv.FormatInt(t.Len, 10) + "]" + f.restate(t.Elem)
	case model.Map:
		return "map[" + f.restate(t.Key) + "]" + f.restate(t.Elem)
	case model.Struct:
		return f.structOf(t.Fields)
	case model.Any:
		if f.taken["any"] {
			return "interface{}"
		}
		return "any"
	case model.Iface:
		f.rough = true
		return t.Text
	}
	return t.Name
}

// structOf is a struct literal type: struct { Text string `json:"text"` }.
func (f *file) structOf(fields []model.Field) string {
	if len(fields) == 0 {
		return "struct{}"
	}
	rows := make([]row, len(fields))
	for i := range fields {
		typ := indent(f.restate(&fields[i].Type))
		if !fields[i].Embedded {
			rows[i] = row{fields[i].Name}
		}
		if tag := fields[i].Tag; tag == "" {
			rows[i] = append(rows[i], typ)
		} else if strings.Contains(typ, "\n") {
			rows[i] = append(rows[i], typ+" "+rawString(tag))
		} else {
			rows[i] = append(rows[i], typ, rawString(tag))
		}
	}
	return "struct " + lines(aligned(rows)).block()
}

// rawString is a literal of an unchanged text, between backquotes if possible.
func rawString(text string) string {
	if strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}

// zero is the condition that the value v, of type t, is missing. It is not called for
// types without a comparable zero value.
func (f *file) zero(v string, t *model.Type) string {
	kind, basic := t.Kind, t.Name
	if kind == model.Named {
		kind, basic = t.Underlying, t.BasicName
	}
	switch {
	case t.IsZero:
		return v + ".IsZero()"
	case kind == model.Basic && basic == "string":
		return v + ` == ""`
	case kind == model.Basic:
		return v + " == 0"
	case kind == model.Slice || kind == model.Map:
		// an empty list may arrive as nil, with omitempty
		return "len(" + v + ") == 0"
	case kind == model.Pointer || kind == model.Any || kind == model.Iface:
		return v + " == nil"
	}
	// task.Document == (uuid.UUID{})
	return v + " == (" + f.typ(t) + "{})"
}
