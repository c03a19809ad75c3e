package tasktest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// difference says where and how two values of one type differ; "" if they do not. Both
// must be addressable.
func difference(sent, got reflect.Value) string { return comparison{}.value("", sent, got) }

// A comparison walks two values side by side.
type comparison struct {
	// empty says that the field has a tag that omits empty values.
	empty bool
}

func (c comparison) value(path string, sent, got reflect.Value) string {
	differ := func() string {
		return fmt.Sprintf("%s: sent %s, arrived %s", strings.TrimPrefix(path, "."), shown(sent), shown(got))
	}
	if same, known := c.known(sent, got); known {
		if same {
			return ""
		}
		return differ()
	}
	switch sent.Kind() {
	case reflect.Pointer:
		if sent.IsNil() || got.IsNil() {
			break
		}
		return comparison{}.value(path, sent.Elem(), got.Elem())
	case reflect.Struct:
		if exported(sent.Type()) {
			return c.fields(path, sent, got)
		}
	case reflect.Slice:
		if sent.IsNil() != got.IsNil() && !c.empty {
			return differ()
		}
		fallthrough
	case reflect.Array:
		return c.list(path, sent, got, differ)
	case reflect.Map:
		if sent.IsNil() != got.IsNil() && !c.empty {
			return differ()
		}
		return c.entries(path, sent, got, differ)
	}
	if reflect.DeepEqual(sent.Interface(), got.Interface()) {
		return ""
	}
	return differ()
}

// known compares values with an Equal method, and values that encode themselves.
func (c comparison) known(sent, got reflect.Value) (same, known bool) {
	switch s := sent.Interface().(type) {
	case time.Time:
		return s.Equal(got.Interface().(time.Time)), true
	case json.RawMessage:
		return string(s) == string(got.Interface().(json.RawMessage)) || s == nil && string(got.Bytes()) == "null" || c.empty && len(s) == 0 && got.Len() == 0, true
	}
	if sent.Kind() == reflect.Pointer || sent.Kind() == reflect.Interface {
		return false, false
	}
	if equal := sent.MethodByName("Equal"); equal.IsValid() && equal.Type().NumIn() == 1 && equal.Type().In(0) == sent.Type() &&
		equal.Type().NumOut() == 1 && equal.Type().Out(0).Kind() == reflect.Bool {
		return equal.Call([]reflect.Value{got})[0].Bool(), true
	}
	if !encodesItself(sent.Type()) {
		return false, false
	}
	if kind := sent.Kind(); c.empty && (kind == reflect.Slice || kind == reflect.Map) && sent.Len()+got.Len() == 0 {
		return true, true
	}
	if sent.Kind() != reflect.Struct || exported(sent.Type()) {
		return false, false
	}
	a, errA := json.Marshal(address(sent))
	b, errB := json.Marshal(address(got))
	return errA == nil && errB == nil && string(a) == string(b), true
}

// exported reports whether a struct has a field whose value can be read.
func exported(t reflect.Type) bool {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct && exported(f.Type) {
			return true
		}
	}
	return false
}

func address(v reflect.Value) any {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface()
}

func (c comparison) list(path string, sent, got reflect.Value, differ func() string) string {
	if sent.Len() != got.Len() {
		return differ()
	}
	for i := range sent.Len() {
		if diff := (comparison{}).value(fmt.Sprintf("%s[%d]", path, i), sent.Index(i), got.Index(i)); diff != "" {
			return diff
		}
	}
	return ""
}

func (c comparison) entries(path string, sent, got reflect.Value, differ func() string) string {
	if sent.Len() != got.Len() {
		return differ()
	}
	for key, elem := range sent.Seq2() {
		other := got.MapIndex(key)
		if !other.IsValid() {
			return differ()
		}
		if diff := (comparison{}).value(fmt.Sprintf("%s[%v]", path, key), elem, other); diff != "" {
			return diff
		}
	}
	return ""
}

func (c comparison) fields(path string, sent, got reflect.Value) string {
	for i := range sent.NumField() {
		f := sent.Type().Field(i)
		if f.Tag.Get("json") == "-" || !f.IsExported() && (!f.Anonymous || f.Type.Kind() != reflect.Struct) {
			continue
		}
		_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := comparison{empty: strings.Contains(options, "omitempty")}
		a, b := sent.Field(i), got.Field(i)
		var diff string
		if f.IsExported() {
			diff = inner.value(path+"."+f.Name, a, b)
		} else {
			diff = inner.fields(path, a, b)
		}
		if diff != "" {
			return diff
		}
	}
	return ""
}

// shown is a value as JSON if possible.
func shown(v reflect.Value) string {
	if data, err := json.Marshal(v.Interface()); err == nil {
		return fmt.Sprintf("%s (%s)", data, v.Type())
	}
	return fmt.Sprintf("%#v", v)
}
