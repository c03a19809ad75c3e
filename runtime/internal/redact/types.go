package redact

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// IsSecret reports whether a field is tagged task:"secret".
func IsSecret(f reflect.StructField) bool {
	return slices.Contains(strings.Split(f.Tag.Get("task"), ","), "secret")
}

var ownText = [...]reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](),
	reflect.TypeFor[fmt.Stringer](), reflect.TypeFor[error](),
}

// speaksForItself reports whether a log has a better form for the type than its parts:
// times, UUIDs, raw JSON.
func speaksForItself(t reflect.Type) bool {
	return slices.ContainsFunc(ownText[:], t.Implements)
}

// encodesItself reports whether values of the type, or pointers to them, have an
// encoding of their own in encoding/json.
func encodesItself(t reflect.Type) bool {
	return slices.ContainsFunc(ownText[:2], func(way reflect.Type) bool { return t.Implements(way) || reflect.PointerTo(t).Implements(way) })
}

// A nature is whether values of a type hold secrets.
type nature int

const (
	neverSecret     nature = iota
	perhapsSecret          // depends on the content of an interface
	certainlySecret        // a field is tagged task:"secret"
)

// HoldsSecret reports whether values of the type have a secret field somewhere,
// interfaces aside.
func HoldsSecret(t reflect.Type) bool { return natureOf(t) == certainlySecret }

// natures caches the results of natureOf. The results for inner types are not kept: on
// a cycle of types they are incomplete.
var natures sync.Map // reflect.Type → nature

func natureOf(t reflect.Type) nature {
	if known, ok := natures.Load(t); ok {
		return known.(nature)
	}
	found := findNature(t, make(map[reflect.Type]bool))
	natures.Store(t, found)
	return found
}

func findNature(t reflect.Type, seen map[reflect.Type]bool) nature {
	if seen[t] {
		return neverSecret
	}
	seen[t] = true
	found := neverSecret
	switch t.Kind() {
	case reflect.Interface:
		found = perhapsSecret
	case reflect.Map:
		found = max(findNature(t.Key(), seen), findNature(t.Elem(), seen))
	case reflect.Pointer, reflect.Slice, reflect.Array:
		found = findNature(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if IsSecret(f) {
				return certainlySecret
			}
			found = max(found, findNature(f.Type, seen))
		}
	}
	return found
}

// CarriesSecret reports whether a value has a field tagged task:"secret", however deep,
// also an empty one or one behind a nil pointer. It looks behind interfaces. The value
// must be finite.
func CarriesSecret(v reflect.Value) bool {
	c := carrier{left: math.MaxInt}
	return c.carries(v)
}

// mayCarrySecret is CarriesSecret for any value: a value that takes too much search
// counts as having a secret.
func mayCarrySecret(v reflect.Value) bool {
	c := carrier{left: maxParts}
	return c.carries(v)
}

type carrier struct {
	left int
	seen map[reference]bool
}

func (c *carrier) carries(v reflect.Value) bool {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		return false
	}
	if n := natureOf(v.Type()); n != perhapsSecret {
		return n == certainlySecret
	}
	if c.left--; c.left < 0 {
		return true
	}
	if ref, ok := referenceOf(v); ok {
		if c.seen[ref] {
			return false
		}
		if c.seen == nil {
			c.seen = make(map[reference]bool)
		}
		c.seen[ref] = true
	}
	switch v.Kind() {
	case reflect.Pointer:
		return c.carries(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if c.carries(v.Index(i)) {
				return true
			}
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			if c.carries(entry.Key()) || c.carries(entry.Value()) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if c.carries(v.Field(i)) {
				return true
			}
		}
	}
	return false
}
