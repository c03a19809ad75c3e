// Package wire compares the JSON forms of payloads: those that lie in queues already with
// that which the code writes and reads now. A form is independent of how Go names its types,
// so that code can be rearranged without a change of what travels.
package wire

import (
	"github.com/taskgen/taskgen/generator/internal/model"
)

// A Form is the JSON form of the values of a Go type, as encoding/json writes and reads it.
// The form of a type that contains itself does so, too.
type Form struct {
	Kind model.ValueKind // not model.RefValue
	// Bits and Unsigned are the range of an integer. Bits of a number are 32 or 64 for one in
	// binary, and 0 for one with any number of digits.
	Bits     int
	Unsigned bool
	// Codec is the Go type, with its import path, that writes and reads itself; empty if
	// encoding/json does.
	Codec string
	// Len is the length of a list; -1: any.
	Len     int64
	Keys    *Form    // of a map: text, or an integer
	Elem    *Place   // of a list or map
	Members []Member // of an object, sorted by name
}

// A Place is where a value is, as far as that changes its form.
type Place struct {
	*Form
	// Pointer is set if null stands for a nil pointer. Lists without a length, maps, bytes and
	// any have null without it.
	Pointer bool
	// Quoted is set if the value is written within a string: the option "string" of a json
	// tag.
	Quoted bool
}

// A Member is one member of an object.
type Member struct {
	Name     string
	Required bool // its zero value is refused
	Place
}

// Of returns the form of a payload. Parts of it with the same form are the same Form, so equal
// payloads have equal texts, however their Go types share parts.
func Of(p *model.Payload) Place {
	b := builder{defs: make(map[string]*model.Value, len(p.Definitions)), made: make(map[*model.Value]*Form)}
	b.defs[""] = &p.Value
	for i := range p.Definitions {
		b.defs[p.Definitions[i].Name] = &p.Definitions[i].Value
	}
	return share(b.place(&p.Value))
}

// A builder makes a form of each value.
type builder struct {
	defs map[string]*model.Value
	made map[*model.Value]*Form
}

func (b *builder) place(v *model.Value) Place {
	p := Place{Pointer: v.Pointer, Quoted: v.Quoted}
	for range len(b.defs) { // a definition may be of a pointer to another one
		if v.Kind != model.RefValue {
			break
		}
		v = b.defs[v.Ref]
		p.Pointer = p.Pointer || v.Pointer
	}
	p.Form = b.form(v)
	return p
}

func (b *builder) form(v *model.Value) *Form {
	if f := b.made[v]; f != nil {
		return f
	}
	f := &Form{Kind: v.Kind, Bits: v.Bits, Unsigned: v.Unsigned, Codec: v.Codec, Len: v.Len}
	b.made[v] = f
	if v.Keys != nil {
		f.Keys = b.form(v.Keys)
	}
	if v.Elem != nil {
		elem := b.place(v.Elem)
		f.Elem = &elem
	}
	for i := range v.Members {
		m := &v.Members[i]
		f.Members = append(f.Members, Member{Name: m.Name, Required: m.Required, Place: b.place(&m.Value)})
	}
	return f
}
