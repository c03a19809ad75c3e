package gosrc

import (
	"strconv"

	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// typ is the one way from the model's types to Go code.
func (f *file) typ(t *model.Type) *jen.Statement {
	switch t.Kind {
	case model.Named:
		s := jen.Id(t.Name)
		if t.Path != "" {
			s = jen.Qual(t.Path, t.Name)
		}
		if len(t.Args) == 0 {
			return s
		}
		args := make([]jen.Code, len(t.Args))
		for i := range t.Args {
			args[i] = f.typ(&t.Args[i])
		}
		return s.Types(args...)
	case model.Pointer:
		return jen.Op("*").Add(f.typ(t.Elem))
	case model.Slice:
		return jen.Index().Add(f.typ(t.Elem))
	case model.Array:
		return jen.Index(jen.Lit(int(t.Len))).Add(f.typ(t.Elem))
	case model.Map:
		return jen.Map(f.typ(t.Key)).Add(f.typ(t.Elem))
	case model.Struct:
		return f.structOf(t.Fields)
	case model.Any:
		if f.taken["any"] {
			return jen.Interface()
		}
		return jen.Id("any")
	case model.Iface:
		return jen.Op(t.Text)
	}
	return jen.Id(t.Name)
}

// structOf is a struct literal type: struct { Text string `json:"text"` }.
func (f *file) structOf(fields []model.Field) *jen.Statement {
	lines := make([]jen.Code, len(fields))
	for i := range fields {
		line := f.typ(&fields[i].Type)
		if !fields[i].Embedded {
			line = jen.Id(fields[i].Name).Add(line)
		}
		if tag := fields[i].Tag; tag != "" {
			line.Op(quoteTag(tag))
		}
		lines[i] = line
	}
	return jen.Struct(lines...)
}

// quoteTag keeps a tag as it is: jen.Tag would sort its keys, and a struct with
// another tag is another type.
func quoteTag(tag string) string {
	if strconv.CanBackquote(tag) {
		return "`" + tag + "`"
	}
	return strconv.Quote(tag)
}

// zero says that the value v, of type t, is missing. Types without a zero value
// to compare with are not asked for.
func (f *file) zero(v *jen.Statement, t *model.Type) *jen.Statement {
	kind, basic := t.Kind, t.Name
	if kind == model.Named {
		kind, basic = t.Underlying, t.BasicName
	}
	switch {
	case t.IsZero:
		// task.At.IsZero()
		return v.Dot("IsZero").Call()
	case kind == model.Basic && basic == "string":
		// task.Text == ""
		return v.Op("==").Lit("")
	case kind == model.Basic:
		// task.Count == 0
		return v.Op("==").Lit(0)
	case kind == model.Slice || kind == model.Map:
		// len(task.Body) == 0: an empty list may not survive the way, with omitempty
		return jen.Len(v).Op("==").Lit(0)
	case kind == model.Pointer || kind == model.Any || kind == model.Iface:
		// task.Owner == nil
		return v.Op("==").Nil()
	}
	// task.Document == (uuid.UUID{})
	return v.Op("==").Parens(f.typ(t).Values())
}
