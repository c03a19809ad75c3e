package jsonvalue

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// PrintableError is the printable part of a codec's error about a value of type t that
// holds secrets: errors of decoders quote their input. It gives the path by the names of
// t's fields, the kind of JSON value and the Go type, and does not wrap the error. data
// is what was decoded, by encoding/json itself or not; nil when something was encoded.
func PrintableError(t reflect.Type, data []byte, byJSON bool, err error) error {
	var (
		wrongType *json.UnmarshalTypeError
		syntax    *json.SyntaxError
	)
	switch {
	case errors.As(err, &wrongType):
		text := fmt.Sprintf("%s stands where another kind of value is due", jsonKind(wrongType.Value))
		if wrongType.Type != nil { // an error made by a type's own method may have none
			text = fmt.Sprintf("%s stands where a %s is due", jsonKind(wrongType.Value), wrongType.Type)
		}
		if at := fieldPath(wrongType.Field, fieldNames(t)); at != "" {
			text = at + ": " + text
		}
		return errors.New(text)
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no JSON, from byte %d of %d on", syntax.Offset, len(data))
	}
	text := fmt.Sprintf("an error of type %T, whose text is left out for it may quote a secret", err)
	if at := undecodableField(t, data, byJSON); at != "" {
		text = at + ": " + text
	}
	return errors.New(text)
}

// jsonKind is the kind of JSON value that an UnmarshalTypeError describes: "number
// 4711" is a number.
func jsonKind(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	switch kind {
	case "string", "number", "bool", "array", "object", "null":
		return kind
	}
	return "a value"
}

// fieldPath is a path of names separated by dots, with * for each that is no field's:
// it is a key of a map.
func fieldPath(path string, fields map[string]bool) string {
	if path == "" {
		return ""
	}
	names := strings.Split(path, ".")
	var shown []string
	for len(names) > 0 {
		n := len(names) // names may hold dots
		for n > 0 && !fields[strings.Join(names[:n], ".")] {
			n--
		}
		if n == 0 {
			shown, names = append(shown, "*"), names[1:]
			continue
		}
		shown, names = append(shown, strings.Join(names[:n], ".")), names[n:]
	}
	return strings.Join(shown, ".")
}

// undecodableField is the JSON name of the field of t that cannot be decoded even alone;
// empty if none is found.
func undecodableField(t reflect.Type, data []byte, byJSON bool) string {
	if !byJSON || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return ""
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return ""
	}
	fields := fieldNames(t)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !fields[name] {
			continue
		}
		alone, err := json.Marshal(map[string]json.RawMessage{name: members[name]})
		if err != nil {
			return ""
		}
		if json.Unmarshal(alone, reflect.New(t).Interface()) != nil {
			return name
		}
	}
	return ""
}

// fieldNames are the JSON names of all struct fields in values of a type, except those
// behind interfaces.
func fieldNames(t reflect.Type) map[string]bool {
	names := make(map[string]bool)
	addFieldNames(t, names, make(map[reflect.Type]bool))
	return names
}

func addFieldNames(t reflect.Type, names map[string]bool, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		addFieldNames(t.Elem(), names, seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names[cmp.Or(name, f.Name)] = true
			addFieldNames(f.Type, names, seen)
		}
	}
}
