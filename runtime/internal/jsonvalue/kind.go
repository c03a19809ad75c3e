package jsonvalue

import (
	"encoding"
	"encoding/json"
	"reflect"
	"sync"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// interfaceTypes remembers the answers of HoldsInterface.
var interfaceTypes sync.Map // reflect.Type → bool

// HoldsInterface reports whether a value of the type may hold one of another type.
func HoldsInterface(t reflect.Type) bool { return holdsInterface(t, nil) }

func holdsInterface(t reflect.Type, seen map[reflect.Type]bool) bool {
	if known, ok := interfaceTypes.Load(t); ok {
		return known.(bool)
	}
	outermost := seen == nil
	if outermost {
		seen = make(map[reflect.Type]bool)
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	found := false
	switch t.Kind() {
	case reflect.Interface:
		found = true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		found = holdsInterface(t.Elem(), seen)
	case reflect.Struct:
		for i := 0; i < t.NumField() && !found; i++ {
			found = holdsInterface(t.Field(i).Type, seen)
		}
	}
	if outermost {
		interfaceTypes.Store(t, found) // types that lead to each other share one answer
	}
	return found
}

// MarshalsItself reports whether values of the type have a method by which encoding/json
// writes them. Those of types with secrets are generated, and write what encoding/json
// would.
func MarshalsItself(t reflect.Type) bool {
	return (t.Implements(jsonMarshaler) || t.Implements(textMarshaler)) && !redact.HoldsSecret(t)
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// IsEncoded reports whether encoding/json reads the field.
func IsEncoded(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}
