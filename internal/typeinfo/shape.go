package typeinfo

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// A Shape says how encoding/json reads and writes the values of a Go type. A type that is
// made of the shape reads the same texts, and writes the same bytes.
type Shape struct {
	// Kind is a basic type of Go (string, bool, int64, …), or one of the constants below.
	Kind string `json:"kind"`
	// Type names a type with Kind Code, as import path, dot and name.
	Type string `json:"type,omitempty"`
	// Elem are the elements of a pointer, slice, array or map.
	Elem *Shape `json:"elem,omitempty"`
	// Key is a basic type, of the keys of a map.
	Key string `json:"key,omitempty"`
	// Len is the length of an array.
	Len int64 `json:"len,omitempty"`
	// Fields of a struct, in their order.
	Fields []Field `json:"fields,omitempty"`
}

// The kinds of shapes that are no basic types.
const (
	Any     = "any"
	Pointer = "pointer"
	Slice   = "slice"
	Array   = "array"
	Map     = "map"
	Struct  = "struct"
	// Code is the kind of a type that reads or writes itself by methods, and of a type
	// that contains itself.
	Code = "code"
	// Large is the kind of a type with more than MaxFields fields. No task is made of it,
	// and so no description has it.
	Large = "large"
)

// A Field is a field of a struct.
type Field struct {
	// Name is its name in JSON; empty for an embedded struct, whose fields take its place.
	Name string `json:"name,omitempty"`
	// Options are those of its json tag that count: omitempty, omitzero and string, with
	// commas between.
	Options string `json:"options,omitempty"`
	// Tagged is set if the name is from the tag: of several fields with one name, encoding/json
	// prefers that one.
	Tagged bool  `json:"tagged,omitempty"`
	Shape  Shape `json:"shape"`
}

// MaxDepth bounds how deep shapes are: generic types can lead to ever new ones. What is
// deeper is of kind Code.
const MaxDepth = 32

// MaxFields bounds the fields of a shape: types that lead to each other in many ways are
// repeated on each of them.
const MaxFields = 10_000

// Options are the options of a json tag that a Field has.
func Options(tag string) string {
	_, all, _ := strings.Cut(tag, ",")
	var known []string
	for option := range strings.SplitSeq(all, ",") {
		switch option {
		case "omitempty", "omitzero", "string":
			known = append(known, option)
		}
	}
	return strings.Join(known, ",")
}

// ValidName follows isValidTag of encoding/json.
func ValidName(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return s != ""
}

// Own reports whether the shape is a type whose values only its code can write.
func (s *Shape) Own() bool { return s.Kind == Code && !Known(s.Type) }

// known are the types with code of their own that package catalog has, too.
var known = map[string]bool{
	"time.Time": true, "encoding/json.Number": true, "encoding/json.RawMessage": true,
	"net/netip.Addr": true, "net/netip.AddrPort": true, "net/netip.Prefix": true,
	"math/big.Int": true, "github.com/google/uuid.UUID": true,
}

// Known reports whether package catalog has the type of this name.
func Known(name string) bool { return known[name] }

// Owned returns a type within the shape whose values only its code can write, or "".
func (s *Shape) Owned() string {
	if s.Own() {
		if s.Type == "" {
			return "a type of its own"
		}
		return s.Type
	}
	if s.Elem != nil {
		if t := s.Elem.Owned(); t != "" {
			return t
		}
	}
	for i := range s.Fields {
		if t := s.Fields[i].Shape.Owned(); t != "" {
			return t
		}
	}
	return ""
}

// Member finds the field of a struct that has the name in JSON, as encoding/json does:
// the shallowest one, and of several that with a tag. It is nil if there is none, or none
// wins.
func (s *Shape) Member(name string) *Shape {
	for level := []*Shape{s}; len(level) > 0; {
		var found, tagged []*Field
		var next []*Shape
		for _, st := range level {
			for i := range st.Fields {
				f := &st.Fields[i]
				switch {
				case f.Name == "":
					if st := f.Shape.embedded(); st != nil {
						next = append(next, st)
					}
				case f.Name == name:
					if found = append(found, f); f.Tagged {
						tagged = append(tagged, f)
					}
				}
			}
		}
		switch {
		case len(found) == 1:
			return &found[0].Shape
		case len(tagged) == 1:
			return &tagged[0].Shape
		case len(found) > 0:
			return nil
		}
		level = next
	}
	return nil
}

// embedded is the struct of an embedded field; nil if the shape has none.
func (s *Shape) embedded() *Shape {
	if s.Kind == Pointer {
		return s.Elem
	}
	return s
}

// IsKey reports whether a kind can be that of the keys of a map: a string or an integer.
func IsKey(kind string) bool { return kind == "string" || IsInteger(kind) }

// IsInteger reports whether a kind is that of an integer.
func IsInteger(kind string) bool {
	switch kind {
	case "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "uintptr":
		return true
	}
	return false
}

// Refuses is why no task can be made of a payload with the keys of a template; empty: it
// can.
func Refuses(payload *Shape, uniqueBy []string, groupBy string) string {
	if payload.Kind == Large {
		return fmt.Sprintf("its payload has more than %d fields", MaxFields)
	}
	if groupBy != "" {
		switch m := payload.Member(groupBy); {
		case m == nil:
			return "its payload has no member " + strconv.Quote(groupBy) + ", of which its group key is made"
		case m.Kind != "string" && !IsInteger(m.Kind):
			return "its group key is made of " + strconv.Quote(groupBy) + ", which is neither a text nor an integer"
		}
	}
	for _, name := range uniqueBy {
		m := payload.Member(name)
		if m == nil {
			return "its payload has no member " + strconv.Quote(name) + ", of which its unique key is made"
		}
		if owned := m.Owned(); owned != "" {
			return "its unique key is made of " + strconv.Quote(name) + ", which only the code of " + owned + " can write"
		}
	}
	return ""
}
