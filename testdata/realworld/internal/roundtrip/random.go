package roundtrip

import (
	"encoding"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"time"
)

// A filler sets values to random ones. Fields that do not travel stay zero.
type filler struct {
	r      *rand.Rand
	makers map[reflect.Type]func(*rand.Rand) any
}

// value fills a value with about as many others as the budget says, and returns what
// is left of it.
func (f *filler) value(v reflect.Value, budget int) int {
	if f.known(v) { // some have no zero value that their methods take
		return budget - 1
	}
	if budget <= 0 {
		return 0
	}
	if !encodesItself(v.Type()) {
		return f.kind(v, budget)
	}
	for range 5 { // not every value is one that a type's own methods take
		v.SetZero()
		if left := f.kind(v, budget); survives(v) {
			return left
		}
	}
	v.SetZero()
	return budget
}

func (f *filler) known(v reflect.Value) bool {
	if maker, ok := f.makers[v.Type()]; ok {
		v.Set(reflect.ValueOf(maker(f.r)))
		return true
	}
	if isTime(v.Type()) {
		v.Set(reflect.ValueOf(time.Unix(f.r.Int64N(253402300799), f.r.Int64N(1e9)).UTC()).Convert(v.Type()))
		return true
	}
	switch p := v.Addr().Interface().(type) {
	case *json.RawMessage:
		*p, _ = json.Marshal(f.untyped(3))
	case *json.Number:
		*p = json.Number([]string{"0", "-1", "1.5", "12345678901234567890", "1e400"}[f.r.IntN(5)])
	default:
		return false
	}
	return true
}

func (f *filler) kind(v reflect.Value, budget int) int {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.bits()) >> (64 - v.Type().Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(f.bits() >> (64 - v.Type().Bits()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(float32([]float64{0, 1, -0.1, math.MaxFloat32, f.r.NormFloat64() * 1e9}[f.r.IntN(5)])))
	case reflect.String:
		v.SetString(f.text())
	case reflect.Interface:
		if value := f.untyped(3); v.NumMethod() == 0 && value != nil {
			v.Set(reflect.ValueOf(value))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return f.value(v.Elem(), budget)
	case reflect.Slice:
		n := 1 + f.r.IntN(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		return f.elements(v, budget)
	case reflect.Array:
		return f.elements(v, budget)
	case reflect.Map:
		return f.entries(v, budget)
	case reflect.Struct:
		return f.fields(v, budget)
	}
	return budget - 1
}

// part gives a part of a value no more than half of the budget, so that others get
// something too.
func (f *filler) part(v reflect.Value, budget int) int {
	share := (budget + 1) / 2
	return budget - share + f.value(v, share)
}

func (f *filler) elements(v reflect.Value, budget int) int {
	for i := range v.Len() {
		budget = f.part(v.Index(i), budget)
	}
	return budget
}

func (f *filler) entries(v reflect.Value, budget int) int {
	v.Set(reflect.MakeMap(v.Type()))
	for range 1 + f.r.IntN(3) {
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.value(key, 1)
		budget = f.part(elem, budget)
		v.SetMapIndex(key, elem)
	}
	return budget
}

// fields fills the fields of a struct in any order, as far as the budget goes.
func (f *filler) fields(v reflect.Value, budget int) int {
	for _, i := range f.r.Perm(v.NumField()) {
		field := v.Type().Field(i)
		if field.Tag.Get("json") == "-" || !v.Field(i).CanSet() || !field.Anonymous && f.r.IntN(8) == 0 {
			continue
		}
		budget = f.part(v.Field(i), budget)
	}
	return budget
}

// bits are those of a random integer, often one at the end of its range.
func (f *filler) bits() uint64 {
	return []uint64{0, math.MaxUint64, math.MaxInt64, 1 << 63, f.r.Uint64(), f.r.Uint64()}[f.r.IntN(6)]
}

var letters = []rune("abcXYZ 0189\"\\/<>&'`\u0000\u001f\u2028ß世😀~*.-_:")

func (f *filler) text() string {
	text := make([]rune, 1+f.r.IntN(9))
	for i := range text {
		text[i] = letters[f.r.IntN(len(letters))]
	}
	return string(text)
}

// untyped is what encoding/json reads into an empty interface.
func (f *filler) untyped(depth int) any {
	switch f.r.IntN(6) {
	case 0:
		return f.r.IntN(2) == 0
	case 1:
		return f.r.NormFloat64()
	case 2:
		if depth > 0 {
			return []any{f.untyped(depth - 1), f.untyped(depth - 1)}
		}
	case 3:
		if depth > 0 {
			return map[string]any{f.text(): f.untyped(depth - 1)}
		}
	case 4:
		return nil
	}
	return f.text()
}

var codecs = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
	reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
}

// encodesItself says that a type has a method by which encoding/json writes or reads
// it.
func encodesItself(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	for _, codec := range codecs {
		if reflect.PointerTo(t).Implements(codec) {
			return true
		}
	}
	return false
}

// survives says whether a type's own methods write a value and read that.
func survives(v reflect.Value) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	data, err := json.Marshal(v.Addr().Interface())
	return err == nil && json.Unmarshal(data, reflect.New(v.Type()).Interface()) == nil
}
