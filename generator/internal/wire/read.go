package wire

import (
	"slices"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// Read returns what may happen to values that were written in one form and are read in another,
// sorted by path. Without a finding every value is read as it was written. A finding is about
// some values: others may be read well.
func Read(written, read Place) []Finding {
	r := reader{seen: make(map[pair]bool)}
	r.place("", written, read)
	slices.SortStableFunc(r.findings, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return r.findings
}

// A pair is a form that is written and the one that reads it.
type pair struct{ w, r *Form }

type reader struct {
	findings []Finding
	seen     map[pair]bool // compared already, or about to be: types contain themselves
}

func (r *reader) found(p Problem, c Consequence, path string, w, rd Place) {
	r.findings = append(r.findings, Finding{Problem: p, Consequence: c, Path: path, Written: w.name(), Read: rd.name()})
}

// name is a form on one line, without its members.
func (p Place) name() string {
	if p.Form == nil {
		return ""
	}
	text := ""
	for depth := 0; ; depth++ {
		if p.Pointer {
			text += "*"
		}
		if p.Elem == nil || depth > 8 {
			break
		}
		text, p = text+p.head(), *p.Elem
	}
	if p.Elem != nil {
		return text + "…"
	}
	if text += p.scalar(); p.Quoted {
		text += " quoted"
	}
	return text
}

// At names the form at a path, and returns false if there is none.
func (p Place) At(path string) (name string, ok bool) {
	for _, step := range model.Steps(path) {
		switch {
		case p.Elem != nil:
			p = *p.Elem
		case p.member(step) != nil:
			p = p.member(step).Place
		default:
			return "", false
		}
	}
	return p.name(), true
}

// place compares the values at a place.
func (r *reader) place(path string, w, rd Place) {
	switch {
	case rd.keepsAll():
		return
	case w.keepsAll() || w.Kind == model.AnyValue && w.Codec == "":
		if !rd.isAny() || w.Codec != "" {
			r.unknown(path, w, rd)
		}
		return
	case w.Quoted != rd.Quoted:
		r.quoted(path, w, rd)
		return
	}
	if w.Pointer && !rd.Pointer && !rd.nullable() {
		r.found(Null, Loss, path, w, rd)
	}
	r.form(path, w, rd)
}

// rawMessage is the codec that keeps every value byte by byte.
const rawMessage = "encoding/json.RawMessage"

// keepsAll reports whether a form has every value, byte by byte.
func (f *Form) keepsAll() bool { return f.Codec == rawMessage }

// isAny reports whether a form has every value, in which numbers become float64.
func (f *Form) isAny() bool { return f.Kind == model.AnyValue && f.Codec == "" }

// nullable reports whether null is a value of a form.
func (f *Form) nullable() bool {
	switch f.Kind {
	case model.BytesValue, model.MapValue:
		return true
	case model.ListValue:
		return f.Len < 0
	}
	return f.isAny()
}

// unknown is about values that may be of any form.
func (r *reader) unknown(path string, w, rd Place) {
	switch {
	case rd.isAny():
		r.found(Precision, Garbled, path, w, rd)
	case rd.Codec != "" && rd.Codec != w.Codec:
		r.found(Codec, Failure, path, w, rd)
	case !rd.isAny():
		r.found(Type, Failure, path, w, rd)
	}
}

// quoted compares a value within a string with one that is not.
func (r *reader) quoted(path string, w, rd Place) {
	switch {
	case rd.Quoted, rd.Kind != model.TextValue && !rd.isAny() && rd.Codec != "":
		r.found(Quoted, Failure, path, w, rd)
	case rd.Kind == model.TextValue, rd.isAny():
		r.found(Quoted, Garbled, path, w, rd)
	case rd.Kind == model.NumberValue && rd.Bits == 0 && (w.Kind == model.IntegerValue || w.Kind == model.NumberValue):
	default:
		r.found(Quoted, Failure, path, w, rd)
	}
}

// form compares two forms of the values at a place.
func (r *reader) form(path string, w, rd Place) {
	if w.Form == rd.Form || r.seen[pair{w.Form, rd.Form}] {
		return
	}
	r.seen[pair{w.Form, rd.Form}] = true
	switch {
	case w.Codec != rd.Codec && !rd.isAny():
		r.codec(path, w, rd)
	case w.Codec != "" && !rd.isAny():
	case w.Kind == model.ObjectValue && rd.Kind == model.ObjectValue:
		r.object(path, w, rd)
	case w.Kind == model.ObjectValue && rd.Kind == model.MapValue:
		r.objectAsMap(path, w, rd)
	case w.Kind == model.MapValue && rd.Kind == model.ObjectValue:
		r.mapAsObject(path, w, rd)
	case w.Kind == model.ListValue && rd.Kind == model.ListValue:
		if rd.Len >= 0 && (w.Len < 0 || w.Len > rd.Len) {
			r.found(Length, Loss, path, w, rd)
		}
		r.place(path+"/"+model.EveryElement, *w.Elem, *rd.Elem)
	case w.Kind == model.ListValue && rd.Kind == model.BytesValue:
		r.place(path+"/"+model.EveryElement, *w.Elem, Place{Form: &octet})
	case w.Kind == model.MapValue && rd.Kind == model.MapValue:
		r.keys(path, w, rd)
		r.place(path+"/"+model.EveryElement, *w.Elem, *rd.Elem)
	case rd.isAny():
		r.intoAny(path, w, rd)
	default:
		r.scalar(path, w, rd)
	}
}

// octet is the form of an element of bytes, if they are written as a list.
var octet = scalars["uint8"]

// codec compares values of which one is written or read by code, or both by different code.
func (r *reader) codec(path string, w, rd Place) {
	if rd.Codec == "" && rd.Kind == model.TextValue && w.Kind == model.TextValue {
		return // it is a text, whoever wrote it
	}
	r.found(Codec, Failure, path, w, rd)
}

// object compares the members of two objects.
func (r *reader) object(path string, w, rd Place) {
	read := make(map[string]bool, len(rd.Members))
	for i := range w.Members {
		m := &w.Members[i]
		at := path + model.SecretPath(m.Name)
		by := rd.reads(m.Name)
		if by == nil {
			r.found(Removed, Loss, at, m.Place, Place{})
			continue
		}
		if read[by.Name] || by.Name != m.Name && w.member(by.Name) != nil {
			r.found(Case, Garbled, at, m.Place, by.Place)
		}
		read[by.Name] = true
		if by.Required && (!m.Required || m.Pointer && !by.Pointer) {
			r.found(Required, Failure, at, m.Place, by.Place)
		}
		r.place(at, m.Place, by.Place)
	}
	for i := range rd.Members {
		if m := &rd.Members[i]; m.Required && !read[m.Name] {
			r.found(Required, Failure, path+model.SecretPath(m.Name), Place{}, m.Place)
		}
	}
}

// reads finds the member that encoding/json reads for a name: the one of that name, or else the
// first whose letters differ in case alone.
func (f *Form) reads(name string) *Member {
	if m := f.member(name); m != nil {
		return m
	}
	for i := range f.Members {
		if strings.EqualFold(f.Members[i].Name, name) {
			return &f.Members[i]
		}
	}
	return nil
}

// objectAsMap compares the members of an object with the entries of a map.
func (r *reader) objectAsMap(path string, w, rd Place) {
	for i := range w.Members {
		m := &w.Members[i]
		at := path + model.SecretPath(m.Name)
		switch {
		case rd.Keys.Codec != "":
			r.found(Key, Failure, at, m.Place, rd)
		case rd.Keys.Kind == model.IntegerValue && !rd.Keys.holds(m.Name):
			r.found(Key, Failure, at, m.Place, rd)
		}
		r.place(at, m.Place, *rd.Elem)
	}
}

// holds reports whether an integer has the value of a text.
func (f *Form) holds(text string) bool {
	if f.Unsigned {
		_, err := strconv.ParseUint(text, 10, f.Bits)
		return err == nil
	}
	_, err := strconv.ParseInt(text, 10, f.Bits)
	return err == nil
}

// mapAsObject compares the entries of a map, of which any may be there, with the members of an
// object.
func (r *reader) mapAsObject(path string, w, rd Place) {
	r.found(Type, Loss, path, w, rd)
	for i := range rd.Members {
		m := &rd.Members[i]
		at := path + model.SecretPath(m.Name)
		if m.Required {
			r.found(Required, Failure, at, *w.Elem, m.Place)
		}
		r.place(at, *w.Elem, m.Place)
	}
}

// keys compares the keys of two maps.
func (r *reader) keys(path string, w, rd Place) {
	wk, rk := w.Keys, rd.Keys
	switch {
	case rk.Kind == model.TextValue && rk.Codec == "":
	case wk.Codec != rk.Codec, wk.Kind != rk.Kind:
		r.found(Key, Failure, path, w, rd)
	case rk.Kind == model.IntegerValue && !rk.contains(wk):
		r.found(Key, Failure, path, w, rd)
	}
}

// intoAny is about numbers that are read as float64 where nothing says what they are.
func (r *reader) intoAny(path string, w, rd Place) {
	switch {
	case w.Kind == model.ListValue, w.Kind == model.MapValue:
		r.place(path+"/"+model.EveryElement, *w.Elem, rd)
	case w.Kind == model.ObjectValue:
		for i := range w.Members {
			m := &w.Members[i]
			r.place(path+model.SecretPath(m.Name), m.Place, rd)
		}
	case w.Kind == model.IntegerValue && w.Bits > exact(64), w.Kind == model.NumberValue && w.Bits == 0:
		r.found(Precision, Garbled, path, w, rd)
	}
}

// scalar compares values of which one at least has no parts.
func (r *reader) scalar(path string, w, rd Place) {
	number := w.Kind == model.IntegerValue || w.Kind == model.NumberValue
	switch {
	case w.Kind == model.TimeValue && rd.Kind == model.TextValue:
	case w.Kind == model.BytesValue && rd.Kind == model.TextValue: // base64 is taken for the text
		r.found(Type, Garbled, path, w, rd)
	case number && rd.Kind == model.NumberValue && rd.Bits == 0: // any digits
	case number && rd.Kind == model.IntegerValue:
		if w.Kind != model.IntegerValue || !rd.contains(w.Form) {
			r.found(Range, Failure, path, w, rd)
		}
	case w.Kind == model.IntegerValue && rd.Kind == model.NumberValue:
		if w.Bits > exact(rd.Bits) {
			r.found(Precision, Garbled, path, w, rd)
		}
	case w.Kind == model.NumberValue && rd.Kind == model.NumberValue:
		if w.Bits == 0 || w.Bits > rd.Bits {
			r.found(Range, Failure, path, w, rd)
		}
	case w.Kind != rd.Kind:
		r.found(Type, Failure, path, w, rd)
	}
}

// exact is the largest width of an integer, of those that Go has, that a binary number holds
// exactly.
func exact(bits int) int {
	if bits == 32 {
		return 16
	}
	return 32
}

// contains reports whether an integer has all values of another one.
func (f *Form) contains(other *Form) bool {
	switch {
	case f.Unsigned == other.Unsigned:
		return f.Bits >= other.Bits
	case f.Unsigned:
		return false
	}
	return f.Bits > other.Bits
}
