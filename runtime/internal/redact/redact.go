// Package redact hides secrets: fields tagged task:"secret", and payloads of tasks,
// wherever a value is shown to people or logs. Package runtime exports it to generated
// code and users under its own names. It imports only the standard library.
package redact

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
)

// Mark replaces a secret.
const Mark = "••••"

// maxShown is how deep Value looks, and maxParts how many values it looks at: values
// may contain each other in more ways than a log has room for.
const (
	maxShown = 32
	maxParts = 10_000
)

// elided replaces what Value omits.
const elided = "…"

// Value returns v as people and logs may see it: a struct becomes a group of its fields
// under their JSON names, with [Mark] for each field tagged task:"secret", however
// deep, also behind interfaces and in the keys of maps. Fields that are not encoded are
// omitted. A field whose value is a slog.LogValuer is shown by its LogValue. A value
// that contains itself, and values deeper than 32 levels or beyond 10,000, are not
// shown.
func Value(v any) slog.Value {
	r := redactor{left: maxParts}
	return r.parts(indirect(reflect.ValueOf(v)), 0)
}

// LogValue is the body of a generated LogValue: its result becomes Value(v) once a log
// resolves it.
func LogValue(v any) slog.Value { return slog.AnyValue(shown{func() any { return v }}) }

// shown is a value with a generated LogValue. Value recognises it, and continues into the
// value: if each LogValue started from the beginning, a value that contains itself would
// never end. The value is in a function, because package fmt does not look into
// functions.
type shown struct{ v func() any }

// LogValue implements slog.LogValuer. The other methods are for code that prints an
// unresolved result of LogValue.
func (s shown) LogValue() slog.Value          { return Value(s.v()) }
func (s shown) String() string                { return String(s.v()) }
func (s shown) GoString() string              { return String(s.v()) }
func (s shown) Format(f fmt.State, verb rune) { Format(f, verb, s) }
func (s shown) MarshalJSON() ([]byte, error)  { return appendShownJSON(nil, Value(s.v())) }

// Attr hides secrets in an attribute of a log. It has the form of
// slog.HandlerOptions.ReplaceAttr. An attribute without secrets is unchanged.
func Attr(_ []string, a slog.Attr) slog.Attr {
	r := redactor{left: maxParts}
	a.Value = r.said(a.Value, 0)
	return a
}

// String returns what Value does as text:
//
//	tasks.EmbeddingTask{text: "a cat", api_key: ••••}
func String(v any) string {
	rv := indirect(reflect.ValueOf(v))
	if !rv.IsValid() || rv.Kind() == reflect.Pointer {
		return "<nil>"
	}
	r := redactor{left: maxParts}
	return rv.Type().String() + string(AppendText(nil, r.parts(rv, 0)))
}

// indirect is the value that v points to; a nil pointer stays.
func indirect(v reflect.Value) reflect.Value {
	for n := 0; v.Kind() == reflect.Pointer && !v.IsNil() && n < maxShown; n++ {
		v = v.Elem()
	}
	return v
}

// Format is the body of a Format method: it prints v by the GoString, Error or String
// method that package fmt would call, or else as String, whatever the verb.
func Format(f fmt.State, verb rune, v any) {
	var text string
	failure, isError := v.(error)
	stringer, isStringer := v.(fmt.Stringer)
	goStringer, isGoStringer := v.(fmt.GoStringer)
	goSyntax := verb == 'v' && f.Flag('#')
	switch {
	case goSyntax && isGoStringer:
		text = goStringer.GoString()
	case isError:
		text = failure.Error()
	case isStringer:
		text = stringer.String()
	default:
		text = String(v)
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

// A redactor is one call of Value.
type redactor struct {
	left int         // how many more values it may look at
	path []reference // references that contain the current value
}

// A reference is a pointer, a map or a slice through which a value may contain itself.
type reference struct {
	t   reflect.Type
	to  uintptr
	len int
}

// referenceOf returns false for a value without a reference.
func referenceOf(v reflect.Value) (reference, bool) {
	switch v.Kind() {
	case reflect.Pointer:
		return reference{t: v.Type(), to: v.Pointer()}, !v.IsNil()
	case reflect.Map, reflect.Slice:
		return reference{v.Type(), v.Pointer(), v.Len()}, v.Len() > 0
	}
	return reference{}, false
}

// value redacts a value inside another.
func (r *redactor) value(v reflect.Value, depth int) slog.Value {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || depth > maxShown {
		return slog.AnyValue(nil)
	}
	r.left--
	ref, refers := referenceOf(v)
	if r.left < 0 || refers && slices.Contains(r.path, ref) {
		return slog.StringValue(elided)
	}
	if refers {
		r.path = append(r.path, ref)
		defer func() { r.path = r.path[:len(r.path)-1] }()
	}
	if says, ok := v.Interface().(slog.LogValuer); ok && !isNil(v) {
		return r.said(slog.AnyValue(says), depth)
	}
	return r.parts(v, depth)
}

// said redacts a value that is given to a log or returned by a LogValue. It does not
// change one without secrets.
func (r *redactor) said(v slog.Value, depth int) slog.Value {
	for range maxShown {
		if v.Kind() != slog.KindLogValuer {
			break
		}
		if s, ok := v.Any().(shown); ok {
			return r.parts(indirect(reflect.ValueOf(s.v())), depth)
		}
		v = ask(v.LogValuer())
	}
	switch v.Kind() {
	case slog.KindGroup:
		attrs := slices.Clone(v.Group())
		for i := range attrs {
			attrs[i].Value = r.said(attrs[i].Value, depth+1)
		}
		return slog.GroupValue(attrs...)
	case slog.KindAny:
		if rv := reflect.ValueOf(v.Any()); rv.IsValid() && mayCarrySecret(rv) {
			return r.value(rv, depth+1)
		}
	case slog.KindLogValuer:
		return slog.StringValue(elided)
	}
	return v
}

// ask calls LogValue. A panic, as on a nil pointer with a value receiver, must not end
// the program.
func ask(says slog.LogValuer) (v slog.Value) {
	defer func() {
		if p := recover(); p != nil {
			v = slog.StringValue(fmt.Sprintf("LogValue of %T panicked: %v", says, p))
		}
	}()
	return says.LogValue()
}

// parts redacts a value part by part.
func (r *redactor) parts(v reflect.Value, depth int) slog.Value {
	if !v.IsValid() {
		return slog.AnyValue(nil)
	}
	if speaksForItself(v.Type()) && !mayCarrySecret(v) {
		return slog.AnyValue(v.Interface())
	}
	switch v.Kind() {
	case reflect.Pointer:
		return r.value(v.Elem(), depth+1)
	case reflect.Struct:
		return slog.GroupValue(r.appendFields(nil, v, depth)...)
	case reflect.Slice, reflect.Array:
		if isPlain(v.Type().Elem()) || isNil(v) {
			return slog.AnyValue(v.Interface())
		}
		return slog.AnyValue(r.list(v, depth))
	case reflect.Map:
		if isPlain(v.Type().Elem()) && natureOf(v.Type().Key()) == neverSecret || isNil(v) {
			return slog.AnyValue(v.Interface())
		}
		return slog.AnyValue(r.entries(v, depth))
	}
	return slog.AnyValue(v.Interface())
}

func (r *redactor) list(v reflect.Value, depth int) shownList {
	items := make(shownList, 0, min(v.Len(), max(r.left, 0)+1))
	for i := range v.Len() {
		items = append(items, r.value(v.Index(i), depth+1))
		if r.left < 0 {
			break
		}
	}
	return items
}

func (r *redactor) entries(v reflect.Value, depth int) shownMap {
	var items shownMap
	for key, elem := range v.Seq2() {
		items = append(items, slog.Attr{Key: r.key(key, depth), Value: r.value(elem, depth+1)})
		if r.left < 0 {
			break
		}
	}
	slices.SortStableFunc(items, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	for i, n := 1, 1; i < len(items); i++ { // keys may differ only in their secrets
		if items[i].Key == items[i-n].Key {
			n++
			items[i].Key = fmt.Sprintf("%s (%d)", items[i].Key, n)
		} else {
			n = 1
		}
	}
	return items
}

func (r *redactor) key(v reflect.Value, depth int) string {
	if mayCarrySecret(v) {
		return string(AppendText(nil, r.value(v, depth+1)))
	}
	return fmt.Sprint(v)
}

// appendFields appends the encoded fields of a struct. Embedded structs are replaced by
// their fields.
func (r *redactor) appendFields(attrs []slog.Attr, v reflect.Value, depth int) []slog.Attr {
	for i := range v.NumField() {
		f, fv := v.Type().Field(i), v.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Tag.Get("json") == "-" {
			continue
		}
		if IsSecret(f) {
			attrs = append(attrs, slog.String(cmp.Or(name, f.Name), Mark))
			continue
		}
		if f.Anonymous && name == "" {
			if f.Type.Kind() == reflect.Pointer {
				fv = fv.Elem()
			}
			if fv.Kind() == reflect.Struct && depth < maxShown {
				attrs = r.appendFields(attrs, fv, depth+1)
				continue
			}
		}
		if f.IsExported() && fv.IsValid() {
			attrs = append(attrs, slog.Attr{Key: cmp.Or(name, f.Name), Value: r.value(fv, depth+1)})
		}
	}
	return attrs
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return v.IsNil()
	}
	return false
}

// isPlain reports whether values of the type contain no others.
func isPlain(t reflect.Type) bool {
	return t.Kind() < reflect.Array || t.Kind() == reflect.String
}
