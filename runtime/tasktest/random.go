package tasktest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"math"
	"math/big"
	oldrand "math/rand"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing/quick"
	"time"
)

// fill sets a settable value to a random one. Fields that do not travel stay zero.
func fill(r *rand.Rand, v reflect.Value) {
	f := filler{r: r, left: largest}
	f.value(v, 0)
}

// A filler draws one value.
type filler struct {
	r    *rand.Rand
	left int // how many more values it may consist of
}

// Lists, maps and pointers stay nil below deepest, for recursive types, and in values
// that consist of more than largest others.
const (
	deepest = 6
	largest = 1000
)

func (f *filler) value(v reflect.Value, depth int) {
	if f.known(v) {
		return
	}
	if encodesItself(v.Type()) {
		f.encoded(v, depth)
		return
	}
	f.kind(v, depth)
}

// encoded fills a value of a type that encodes itself with one that its methods write
// and read. A type that can read nothing that it writes, not even its zero value, keeps
// what it writes: RoundTrip is to find that it does not arrive.
func (f *filler) encoded(v reflect.Value, depth int) {
	var written reflect.Value
	for range draws / 2 {
		f.kind(v, depth)
		writes, reads := survives(v)
		if reads {
			return
		}
		if writes {
			written = reflect.ValueOf(address(v)).Elem()
		}
	}
	v.SetZero()
	if _, reads := survives(v); !reads && written.IsValid() {
		v.Set(written)
	}
}

// known fills types whose values do not follow from their kind, and types with a
// generator of their own.
func (f *filler) known(v reflect.Value) bool {
	if g, ok := v.Interface().(quick.Generator); ok {
		v.Set(g.Generate(oldrand.New(oldrand.NewSource(f.r.Int64())), 10))
		return true
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(f.r.Int64N(253402300799), f.r.Int64N(1e9)).UTC()
		if f.r.IntN(2) == 0 {
			*p = p.In(time.FixedZone("", 60*(f.r.IntN(24*60)-12*60)))
		}
		if p.Year() < 1 || p.Year() > 9999 {
			*p = time.Time{}
		}
	case *big.Int:
		p.Lsh(big.NewInt(f.r.Int64()-math.MaxInt64/2), uint(f.r.IntN(100)))
	case *big.Rat:
		p.SetFrac64(f.r.Int64()-math.MaxInt64/2, 1+f.r.Int64N(1e6))
	case *json.RawMessage:
		var any any
		f.any(reflect.ValueOf(&any).Elem(), 0)
		*p, _ = json.Marshal(any)
	case *json.Number:
		*p = json.Number([]string{"0", "-1", "1.5", "12345678901234567890", "1e400"}[f.r.IntN(5)])
	case *netip.Addr:
		*p = netip.AddrFrom4([4]byte{byte(f.r.Uint32()), 2, 3, 4})
	default:
		return false
	}
	return true
}

func (f *filler) kind(v reflect.Value, depth int) {
	f.left--
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.bits()) >> (64 - v.Type().Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(f.bits() >> (64 - v.Type().Bits()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(f.float(v.Type().Bits()))
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(f.float(32), 1))
	case reflect.String:
		v.SetString(f.text())
	case reflect.Interface:
		if v.NumMethod() == 0 {
			f.any(v, depth)
		}
	case reflect.Array:
		for i := range v.Len() {
			f.value(v.Index(i), depth+1)
		}
	case reflect.Struct:
		f.fields(v, depth)
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		f.unsendable(v)
	default:
		f.nilable(v, depth)
	}
}

// unsendable fills a value that cannot be sent: not nil, so that the loss shows.
func (f *filler) unsendable(v reflect.Value) {
	switch v.Kind() {
	case reflect.Chan:
		v.Set(reflect.MakeChan(reflect.ChanOf(reflect.BothDir, v.Type().Elem()), 0).Convert(v.Type()))
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value { panic("not to be called") }))
	}
}

func (f *filler) fields(v reflect.Value, depth int) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Tag.Get("json") == "-" {
			continue
		}
		switch {
		case v.Field(i).CanSet():
			f.value(v.Field(i), depth+1)
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			f.fields(v.Field(i), depth+1) // its exported fields can be set
		}
	}
}

// nilable fills pointers, lists and maps: nil, empty, or with some values.
func (f *filler) nilable(v reflect.Value, depth int) {
	n := f.r.IntN(5) - 1
	if n < 0 || depth > deepest || f.left < 0 {
		v.SetZero()
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.value(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.value(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range n {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.value(key, depth+1)
			f.value(elem, depth+1)
			v.SetMapIndex(key, elem)
		}
	}
}

// bits are those of a random integer, often one at the end of its range.
func (f *filler) bits() uint64 {
	switch f.r.IntN(6) {
	case 0:
		return 0
	case 1:
		return math.MaxUint64
	case 2:
		return math.MaxInt64
	case 3:
		return 1 << 63
	}
	return f.r.Uint64()
}

func (f *filler) float(bits int) float64 {
	x := []float64{0, 1, -0.1, math.SmallestNonzeroFloat64, math.MaxFloat32, f.r.NormFloat64() * 1e9}[f.r.IntN(6)]
	if bits == 32 {
		return float64(float32(x))
	}
	return x
}

// letters are those that an encoder may treat specially.
var letters = []rune("ab Z09\"\\/<>&\u0000\u001f\u007f\u2028\u2029\ufffdéß世😀~*.")

func (f *filler) text() string {
	text := make([]rune, f.r.IntN(9))
	for i := range text {
		text[i] = letters[f.r.IntN(len(letters))]
	}
	return string(text)
}

// any fills an empty interface with a value as encoding/json reads it.
func (f *filler) any(v reflect.Value, depth int) {
	var value any
	switch kind := f.r.IntN(6); {
	case kind == 1:
		value = f.r.IntN(2) == 0
	case kind == 2:
		value = f.float(64)
	case kind == 3:
		value = f.text()
	case kind == 4 && depth <= deepest:
		list := make([]any, f.r.IntN(3))
		for i := range list {
			f.any(reflect.ValueOf(&list[i]).Elem(), depth+1)
		}
		value = list
	case kind == 5 && depth <= deepest:
		object := make(map[string]any)
		for range f.r.IntN(3) {
			var member any
			f.any(reflect.ValueOf(&member).Elem(), depth+1)
			object[f.text()] = member
		}
		value = object
	}
	v.SetZero()
	if value != nil {
		v.Set(reflect.ValueOf(value))
	}
}

var codecs = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
	reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
}

// encodesItself reports whether a pointer to the type has a method by which
// encoding/json writes or reads it.
func encodesItself(t reflect.Type) bool {
	for _, codec := range codecs {
		if t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(codec) {
			return true
		}
	}
	return false
}

// survives reports whether a value's own methods write it, and whether they read the
// result: not every number is one of an enumeration. Null counts as not read, and a
// zero value as read only if it comes back as zero.
func survives(v reflect.Value) (writes, reads bool) {
	defer func() { _ = recover() }()
	data, err := json.Marshal(v.Addr().Interface())
	if err != nil || bytes.Contains(data, []byte(`\ufffd`)) {
		return false, false
	}
	writes = true
	back := reflect.New(v.Type())
	reads = string(data) != "null" && json.Unmarshal(data, back.Interface()) == nil && (!v.IsZero() || back.Elem().IsZero())
	return writes, reads
}
