package runtime

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Redacted stands wherever a secret would.
const Redacted = "••••"

// maxShown is how deep Redact looks: values may point to themselves.
const maxShown = 32

// Redact returns v as people and logs may see it: a struct becomes a group of
// its fields under their JSON names, with [Redacted] in place of each one that
// is tagged task:"secret", however deep it lies. Fields that do not travel are
// left out, and so is what lies deeper than 32 levels. A field whose value is a
// slog.LogValuer says itself how it is shown. Generated code calls Redact in
// LogValue.
func Redact(v any) slog.Value { return redact(reflect.ValueOf(v), 0) }

// RedactedString returns what Redact does as text:
//
//	tasks.EmbeddingTask{text: "a cat", api_key: ••••}
func RedactedString(v any) string {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if !rv.IsValid() {
		return "<nil>"
	}
	return rv.Type().String() + string(appendShown(nil, redact(rv, 0)))
}

// FormatRedacted is the body of a Format method: it prints v by its String or
// GoString method where it has one, else as RedactedString, whatever the verb.
func FormatRedacted(f fmt.State, verb rune, v any) {
	var text string
	stringer, isStringer := v.(fmt.Stringer)
	goStringer, isGoStringer := v.(fmt.GoStringer)
	goSyntax := verb == 'v' && f.Flag('#')
	switch {
	case goSyntax && isGoStringer:
		text = goStringer.GoString()
	case isStringer:
		text = stringer.String()
	default:
		text = RedactedString(v)
	}
	switch verb {
	case 'q', 'x', 'X':
		_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), text)
	case 's', 'v':
		if goSyntax {
			_, _ = io.WriteString(f, text)
			return
		}
		_, _ = fmt.Fprintf(f, fmt.FormatString(f, 's'), text)
	default:
		_, _ = fmt.Fprintf(f, "%%!%c(%s)", verb, text)
	}
}

func redact(v reflect.Value, depth int) slog.Value {
	if !v.IsValid() || depth > maxShown {
		return slog.AnyValue(nil)
	}
	if depth > 0 {
		if says, ok := v.Interface().(slog.LogValuer); ok && !isNil(v) {
			return slog.AnyValue(says).Resolve()
		}
	}
	if speaksForItself(v.Type()) && !holdsSecret(v.Type()) {
		return slog.AnyValue(v.Interface())
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return redact(v.Elem(), depth+1)
	case reflect.Struct:
		return slog.GroupValue(appendFields(nil, v, depth)...)
	case reflect.Slice, reflect.Array:
		if isPlain(v.Type().Elem()) || isNil(v) {
			return slog.AnyValue(v.Interface())
		}
		items := make([]any, v.Len())
		for i := range items {
			items[i] = plain(redact(v.Index(i), depth+1))
		}
		return slog.AnyValue(items)
	case reflect.Map:
		if isPlain(v.Type().Elem()) || isNil(v) {
			return slog.AnyValue(v.Interface())
		}
		items := make(map[string]any, v.Len())
		for key, elem := range v.Seq2() {
			items[fmt.Sprint(key)] = plain(redact(elem, depth+1))
		}
		return slog.AnyValue(items)
	}
	return slog.AnyValue(v.Interface())
}

// appendFields appends the fields of a struct that travel, those of embedded
// structs in their place.
func appendFields(attrs []slog.Attr, v reflect.Value, depth int) []slog.Attr {
	for i := range v.NumField() {
		f, fv := v.Type().Field(i), v.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Tag.Get("json") == "-" {
			continue
		}
		if isSecret(f) {
			attrs = append(attrs, slog.String(orElse(name, f.Name), Redacted))
			continue
		}
		if f.Anonymous && name == "" {
			if f.Type.Kind() == reflect.Pointer {
				fv = fv.Elem()
			}
			if fv.Kind() == reflect.Struct && depth < maxShown {
				attrs = appendFields(attrs, fv, depth+1)
				continue
			}
		}
		if f.IsExported() && fv.IsValid() {
			attrs = append(attrs, slog.Attr{Key: orElse(name, f.Name), Value: redact(fv, depth+1)})
		}
	}
	return attrs
}

func orElse(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

func isSecret(f reflect.StructField) bool {
	return slices.Contains(strings.Split(f.Tag.Get("task"), ","), "secret")
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return v.IsNil()
	}
	return false
}

// isPlain says that no value of the type holds another.
func isPlain(t reflect.Type) bool {
	return t.Kind() < reflect.Array || t.Kind() == reflect.String
}

var ownText = [...]reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](),
	reflect.TypeFor[fmt.Stringer](), reflect.TypeFor[error](),
}

// speaksForItself says that a log has a better way to show the type than by its
// parts: times, UUIDs, raw JSON.
func speaksForItself(t reflect.Type) bool {
	return slices.ContainsFunc(ownText[:], t.Implements)
}

// secretTypes remembers the answers of holdsSecret.
var secretTypes sync.Map // reflect.Type → bool

// holdsSecret says that values of the type have a secret field somewhere,
// interfaces aside.
func holdsSecret(t reflect.Type) bool {
	if known, ok := secretTypes.Load(t); ok {
		return known.(bool)
	}
	found := findSecret(t, make(map[reflect.Type]bool))
	secretTypes.Store(t, found)
	return found
}

func findSecret(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return findSecret(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); isSecret(f) || findSecret(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// plain is a redacted value as it may lie in a list or map: what handlers of
// logs do not resolve there.
func plain(v slog.Value) any {
	if v.Kind() != slog.KindGroup {
		return v.Any()
	}
	fields := make(map[string]any, len(v.Group()))
	for _, a := range v.Group() {
		fields[a.Key] = plain(a.Value)
	}
	return fields
}

func appendShown(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindGroup:
		b = append(b, '{')
		for i, a := range v.Group() {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(append(b, a.Key...), ": "...)
			b = appendShown(b, a.Value)
		}
		return append(b, '}')
	case slog.KindString:
		if v.String() != Redacted {
			return strconv.AppendQuote(b, v.String())
		}
	}
	return append(b, v.String()...)
}
