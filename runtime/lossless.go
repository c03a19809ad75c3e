package runtime

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// replaced is how encoding/json writes what is not UTF-8 in a string. It writes the
// character of that name itself as it is, so that a payload without it is whole.
var replaced = []byte(`\ufffd`)

// lossless refuses what encoding/json changes in silence: a string that is not
// UTF-8, and a number in an interface that comes back as another float64. It looks
// at the payload, and at the value only where the payload may tell of a loss.
// v is the pointer that the payload was made of.
func lossless(payload []byte, v any) error {
	suspects := lossSearch{texts: bytes.Contains(payload, replaced)}
	suspects.numbers = holdsInterface(reflect.TypeOf(v), nil) && hasLongNumber(payload)
	if !suspects.texts && !suspects.numbers {
		return nil
	}
	return suspects.value(reflect.ValueOf(v), "")
}

// hasLongNumber says whether as many digits stand in a row as it takes to write an
// integer that no float64 holds. Such a row covers one byte in every so many, and
// most of those tell that there is none.
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

// interfaceTypes remembers the answers of holdsInterface.
var interfaceTypes sync.Map // reflect.Type → bool

// holdsInterface says whether a value of the type may hold one of another type.
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

// A lossSearch goes through a value as encoding/json does.
type lossSearch struct{ texts, numbers bool }

func (s lossSearch) value(v reflect.Value, path string) error {
	if !v.IsValid() {
		return nil
	}
	if v.CanAddr() && v.Kind() != reflect.Pointer && v.Addr().CanInterface() && writesItself(v.Addr().Type()) {
		return s.encoded(v.Addr(), path)
	}
	if writesItself(v.Type()) {
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

// writesItself says that values of the type have a method by which encoding/json
// writes them. Those of types with secrets are generated, and write what encoding/json
// would.
func writesItself(t reflect.Type) bool {
	return (t.Implements(jsonMarshaler) || t.Implements(textMarshaler)) && !redact.HoldsSecret(t)
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

func (s lossSearch) fields(v reflect.Value, path string) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !isEncoded(f) {
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

// encoded looks at the text that a value writes itself. What it writes as JSON is
// its own.
func (s lossSearch) encoded(v reflect.Value, path string) error {
	if !s.texts || v.Type().Implements(jsonMarshaler) || !v.CanInterface() || isNil(v) {
		return nil
	}
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return nil // encoding/json has succeeded, and so it is a value that it does not write
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

// untyped looks for numbers in an interface that are others when they come back as
// float64, as encoding/json reads them.
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
		if n, ok := token.(json.Number); ok && !exact(n) {
			return fmt.Errorf("%s holds an integer in an interface that encoding/json reads as another number, a float64: give it a type, or send it as text", cmp.Or(path, "the value"))
		}
	}
}

// exact says whether a number is the same as a float64. Fractions are taken for
// rounded already.
func exact(n json.Number) bool {
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
