package model

import "slices"

// A Value is the JSON form of a Go type, as encoding/json writes and reads it.
type Value struct {
	Kind ValueKind `json:"kind"`
	// Null is set if null is among the values.
	Null bool `json:"null,omitempty"`
	// Pointer is set if null is its only zero value.
	Pointer bool `json:"pointer,omitempty"`
	// Quoted is set if a number or boolean is inside a string (the option "string" of a
	// json tag).
	Quoted bool `json:"quoted,omitempty"`
	// Bits and Unsigned are the range of an integer. Bits of a number are 32 or 64; 0: it
	// has any number of digits.
	Bits     int  `json:"bits,omitempty"`
	Unsigned bool `json:"unsigned,omitempty"`
	// Codec is the type, with its import path, whose methods write and read the value; empty:
	// encoding/json does, or time.Time or json.Number.
	Codec string `json:"codec,omitempty"`
	// Elem is the element of a list or map, and Len the fixed length of a list; else
	// -1.
	Elem *Value `json:"elem,omitempty"`
	Len  int64  `json:"len,omitempty"`
	// Keys are the keys of a map: TextValue, or IntegerValue in quotes.
	Keys *Value `json:"keys,omitempty"`
	// Members of an object, sorted by name.
	Members []Member `json:"members,omitempty"`
	// Ref names a definition of the payload; empty for the payload itself.
	Ref string `json:"ref,omitempty"`
}

// ValueKind is the kind of a Value.
type ValueKind string

// The kinds of values.
const (
	AnyValue     ValueKind = "any"
	TextValue    ValueKind = "text"
	TimeValue    ValueKind = "time"  // text: RFC 3339
	BytesValue   ValueKind = "bytes" // text: base64
	BooleanValue ValueKind = "boolean"
	IntegerValue ValueKind = "integer" // Bits, Unsigned
	NumberValue  ValueKind = "number"
	ListValue    ValueKind = "list"   // Elem, Len
	MapValue     ValueKind = "map"    // Keys, Elem
	ObjectValue  ValueKind = "object" // Members
	RefValue     ValueKind = "ref"    // Ref
)

// A Member is one member of an object.
type Member struct {
	Name     string `json:"name"`
	Doc      string `json:"doc,omitempty"` // on one line
	Value    Value  `json:"value"`
	Required bool   `json:"required,omitempty"`
	Secret   bool   `json:"secret,omitempty"`
	Place    Span   `json:"-"` // of the name of its field
}

// A Definition is a declared type that a payload refers to by name.
type Definition struct {
	Name  string `json:"name"`
	Doc   string `json:"doc,omitempty"`
	Value Value  `json:"value"`
}

// A Payload is the JSON form of a task's struct.
type Payload struct {
	Value Value `json:"value"`
	// Definitions are the other types in it, sorted by name.
	Definitions []Definition `json:"definitions,omitempty"`
}

// Behind is the value that a value refers to, or the value itself if it does not refer to one.
func (p *Payload) Behind(v *Value) *Value {
	for range len(p.Definitions) + 1 { // a definition may be of a pointer to another one
		switch {
		case v.Kind != RefValue:
			return v
		case v.Ref == "":
			v = &p.Value
		default:
			i := slices.IndexFunc(p.Definitions, func(d Definition) bool { return d.Name == v.Ref })
			v = &p.Definitions[i].Value
		}
	}
	return v
}
