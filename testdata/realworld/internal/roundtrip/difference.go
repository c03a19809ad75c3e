package roundtrip

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// A difference is a place at which two values differ.
type difference struct {
	place     string
	sent, got string
}

// differences compares two values. Times are the same at the same instant, and values
// with a method Equal if it says so. An empty list under omitempty arrives as nil, and
// a json.RawMessage that is nil as null.
func differences(sent, got any) []difference {
	var c comparison
	c.value("", false, reflect.ValueOf(sent).Elem(), reflect.ValueOf(got).Elem())
	return c.found
}

var timeType = reflect.TypeFor[time.Time]()

// isTime says whether a type is time.Time, or declared as it.
func isTime(t reflect.Type) bool { return t.Kind() == reflect.Struct && t.ConvertibleTo(timeType) }

type comparison struct{ found []difference }

func (c *comparison) differ(place string, sent, got reflect.Value) {
	if t := sent.Type(); t != timeType && t.Name() != "" && encodesItself(t) {
		place = t.String()
	}
	c.found = append(c.found, difference{place, shown(sent), shown(got)})
}

func shown(v reflect.Value) string {
	data, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(data)
}

// value compares what stands at a place; empty says that a tag leaves out an empty
// value there.
func (c *comparison) value(place string, empty bool, sent, got reflect.Value) {
	if same, ok := equal(sent, got); ok {
		if !same {
			c.differ(place, sent, got)
		}
		return
	}
	switch sent.Kind() {
	case reflect.Pointer:
		if sent.IsNil() != got.IsNil() {
			c.differ(place, sent, got)
		} else if !sent.IsNil() {
			c.value(place, false, sent.Elem(), got.Elem())
		}
	case reflect.Slice, reflect.Array:
		c.list(place, empty, sent, got)
	case reflect.Map:
		c.entries(place, empty, sent, got)
	case reflect.Struct:
		c.structure(place, sent, got)
	default:
		if !reflect.DeepEqual(sent.Interface(), got.Interface()) {
			c.differ(place, sent, got)
		}
	}
}

// equal asks the values themselves, where they know.
func equal(sent, got reflect.Value) (same, ok bool) {
	if isTime(sent.Type()) {
		return sent.Convert(timeType).Interface().(time.Time).Equal(got.Convert(timeType).Interface().(time.Time)), true
	}
	if s, ok := sent.Interface().(json.RawMessage); ok {
		g := got.Interface().(json.RawMessage)
		return string(s) == string(g) || s == nil && string(g) == "null", true
	}
	m := sent.MethodByName("Equal")
	if !m.IsValid() || m.Type().NumIn() != 1 || m.Type().In(0) != sent.Type() || sent.Kind() == reflect.Pointer {
		return false, false
	}
	return m.Call([]reflect.Value{got})[0].Bool(), true
}

func (c *comparison) list(place string, empty bool, sent, got reflect.Value) {
	nils := sent.Kind() == reflect.Slice && sent.IsNil() != got.IsNil() && !empty
	if nils || sent.Len() != got.Len() {
		c.differ(place, sent, got)
		return
	}
	for i := range sent.Len() {
		c.value(place, false, sent.Index(i), got.Index(i))
	}
}

func (c *comparison) entries(place string, empty bool, sent, got reflect.Value) {
	if sent.IsNil() != got.IsNil() && !empty || sent.Len() != got.Len() {
		c.differ(place, sent, got)
		return
	}
	for key, elem := range sent.Seq2() {
		other := got.MapIndex(key)
		if !other.IsValid() {
			c.differ(place, sent, got)
			return
		}
		c.value(place, false, elem, other)
	}
}

func (c *comparison) structure(place string, sent, got reflect.Value) {
	t, exported := sent.Type(), false
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		exported = true
		_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		c.value(t.String()+"."+f.Name, strings.Contains(options, "omitempty"), sent.Field(i), got.Field(i))
	}
	if !exported && !reflect.DeepEqual(sent.Interface(), got.Interface()) {
		c.differ(place, sent, got)
	}
}
