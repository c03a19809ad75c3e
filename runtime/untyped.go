package runtime

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/runtime/internal/jsonvalue"
	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// checkUntyped refuses a value with secrets in an interface: it arrives as a map
// without tags, and its secrets would be shown in logs and dead letters. A value that
// is hidden as a whole, by a tag or by a path in secrets, may hold one. The value must
// have been encoded by encoding/json, so it has no cycle.
func checkUntyped(v any, secrets []string) error {
	rv := reflect.ValueOf(v)
	if !jsonvalue.HoldsInterface(rv.Type()) {
		return nil
	}
	return untypedSearch(secrets).value(rv, nil)
}

// An untypedSearch walks a value as encoding/json does, with the paths of Spec.Secrets.
type untypedSearch []string

func (s untypedSearch) value(v reflect.Value, path []string) error {
	if !v.IsValid() || !jsonvalue.HoldsInterface(v.Type()) || jsonvalue.MarshalsItself(v.Type()) || s.isSecret(path) {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		if redact.CarriesSecret(v) {
			return fmt.Errorf("%s holds a value of type %s in an interface, with fields tagged task:\"secret\": their tags do not arrive, and they would be shown: give it a type, or tag the field that it is in",
				cmp.Or(strings.Join(path, "."), "the value"), v.Elem().Type())
		}
	case reflect.Pointer:
		return s.value(v.Elem(), path)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := s.value(v.Index(i), append(path, "*")); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, elem := range v.Seq2() {
			if err := s.value(elem, append(path, "*")); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return s.fields(v, path)
	}
	return nil
}

func (s untypedSearch) fields(v reflect.Value, path []string) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		isStruct := indirectType(f.Type).Kind() == reflect.Struct
		if !jsonvalue.IsEncoded(f) || redact.IsSecret(f) || !f.IsExported() && !isStruct {
			continue
		}
		at := path
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.Anonymous || name != "" || !isStruct {
			at = append(path, cmp.Or(name, f.Name))
		}
		if err := s.value(v.Field(i), at); err != nil {
			return err
		}
	}
	return nil
}

func indirectType(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// isSecret reports whether a path of either form leads to the given one.
func (s untypedSearch) isSecret(path []string) bool {
	if len(s) == 0 {
		return false
	}
	var pointer strings.Builder
	for _, name := range path {
		if name != "*" {
			name = pointerEscapes.Replace(name)
		}
		pointer.WriteString("/" + name)
	}
	dotted := strings.Join(path, ".")
	return slices.ContainsFunc(s, func(secret string) bool {
		return strings.EqualFold(secret, pointer.String()) || strings.EqualFold(secret, dotted)
	})
}

// pointerEscapes writes a name as a step of a path.
var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1", "*", "~2")
