package jsonvalue

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"unicode/utf8"
)

// replacementEscape is how encoding/json writes invalid UTF-8 in a string. It writes a genuine
// U+FFFD unescaped, so a payload without this escape has lost nothing.
var replacementEscape = []byte(`\ufffd`)

// Lossless refuses what encoding/json changes silently: a string that is not UTF-8, and
// a number in an interface that comes back as another float64. It examines the payload,
// and the value only if the payload hints at a loss. v is the pointer from which the
// payload was made.
func Lossless(payload []byte, v any) error {
	suspects := lossSearch{texts: bytes.Contains(payload, replacementEscape)}
	suspects.numbers = HoldsInterface(reflect.TypeOf(v)) && hasLongNumber(payload)
	if !suspects.texts && !suspects.numbers {
		return nil
	}
	return suspects.value(reflect.ValueOf(v), "")
}

// hasLongNumber reports whether the payload has as many digits in a row as the smallest
// integer that no float64 holds. Such a row covers one byte in every so many, and most
// of these bytes are no digits.
func hasLongNumber(payload []byte) bool {
	const digits = len("9007199254740993") // 1<<53 + 1
	digit := func(i int) bool { return '0' <= payload[i] && payload[i] <= '9' }
	for i := digits - 1; i < len(payload); {
		begin := i
		for begin >= 0 && i-begin < digits && digit(begin) {
			begin--
		}
		if i-begin >= digits {
			return true
		}
		i = begin + digits
	}
	return false
}

// A lossSearch walks a value as encoding/json does.
type lossSearch struct{ texts, numbers bool }

func (s lossSearch) value(v reflect.Value, path string) error {
	if !v.IsValid() {
		return nil
	}
	if v.CanAddr() && v.Kind() != reflect.Pointer && v.Addr().CanInterface() && MarshalsItself(v.Addr().Type()) {
		return s.encoded(v.Addr(), path)
	}
	if MarshalsItself(v.Type()) {
		return s.encoded(v, path)
	}
	switch v.Kind() {
	case reflect.String:
		return s.text(v.String(), path)
	case reflect.Interface:
		if err := s.untyped(v, path); err != nil {
			return err
		}
		return s.value(v.Elem(), path)
	case reflect.Pointer:
		return s.value(v.Elem(), path)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() < reflect.Array { // bools and numbers
			return nil
		}
		for i := range v.Len() {
			if err := s.value(v.Index(i), path+"[]"); err != nil {
				return err
			}
		}
	case reflect.Map:
		for key, elem := range v.Seq2() {
			if err := s.value(key, path+"{}"); err != nil {
				return err
			}
			if err := s.value(elem, path+"{}"); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return s.fields(v, path)
	}
	return nil
}

func (s lossSearch) fields(v reflect.Value, path string) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !IsEncoded(f) {
			continue
		}
		at := path
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name = cmp.Or(name, f.Name); !f.Anonymous {
			at = strings.TrimPrefix(path+"."+name, ".")
		}
		if err := s.value(v.Field(i), at); err != nil {
			return err
		}
	}
	return nil
}

// encoded checks the text that a value writes for itself. JSON that it writes is its
// own responsibility.
func (s lossSearch) encoded(v reflect.Value, path string) error {
	if !s.texts || v.Type().Implements(jsonMarshaler) || !v.CanInterface() || isNil(v) {
		return nil
	}
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return nil // encoding/json has succeeded, so it does not write this value
	}
	return s.text(string(text), path)
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return v.IsNil()
	}
	return false
}

func (s lossSearch) text(text, path string) error {
	if !s.texts || utf8.ValidString(text) {
		return nil
	}
	return fmt.Errorf("%s is not valid UTF-8, and JSON cannot carry it: send it as []byte", cmp.Or(path, "the value"))
}

// untyped looks for numbers in an interface that change when they come back as float64,
// as encoding/json reads them.
func (s lossSearch) untyped(v reflect.Value, path string) error {
	if !s.numbers || v.IsNil() || !v.CanInterface() {
		return nil
	}
	data, err := json.Marshal(v.Interface())
	if err != nil {
		return nil // as in encoded
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return nil
		}
		if n, ok := token.(json.Number); ok && !isExactFloat64(n) {
			return fmt.Errorf("%s holds an integer in an interface that encoding/json reads as another number, a float64: give it a type, or send it as text", cmp.Or(path, "the value"))
		}
	}
}

// isExactFloat64 reports whether a float64 holds the number exactly. Fractions count as already
// rounded.
func isExactFloat64(n json.Number) bool {
	whole, ok := new(big.Int).SetString(n.String(), 10)
	if !ok {
		return true
	}
	f, err := n.Float64()
	if err != nil {
		return false
	}
	back, _ := big.NewFloat(f).Int(nil)
	return back.Cmp(whole) == 0
}
