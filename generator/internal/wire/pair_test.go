package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// A spec is a Go type that tests make up, from which both its form and the type itself are made.
type spec struct {
	kind    string // of scalars, or pointer, slice, array, map, struct
	elem    *spec
	key     string
	len     int
	members []specMember
}

type specMember struct {
	name   string
	quoted bool
	spec
}

type scalarSpec struct {
	typ  reflect.Type
	form Form
}

var scalarSpecs = map[string]scalarSpec{
	"bool": {reflect.TypeFor[bool](), scalars["boolean"]}, "string": {reflect.TypeFor[string](), scalars["text"]},
	"int8": {reflect.TypeFor[int8](), scalars["int8"]}, "int16": {reflect.TypeFor[int16](), scalars["int16"]},
	"int32": {reflect.TypeFor[int32](), scalars["int32"]}, "int64": {reflect.TypeFor[int64](), scalars["int64"]},
	"uint8": {reflect.TypeFor[uint8](), scalars["uint8"]}, "uint16": {reflect.TypeFor[uint16](), scalars["uint16"]},
	"uint32": {reflect.TypeFor[uint32](), scalars["uint32"]}, "uint64": {reflect.TypeFor[uint64](), scalars["uint64"]},
	"float32": {reflect.TypeFor[float32](), scalars["float32"]}, "float64": {reflect.TypeFor[float64](), scalars["float64"]},
	"bytes": {reflect.TypeFor[[]byte](), scalars["bytes"]}, "any": {reflect.TypeFor[any](), scalars["any"]},
	"time": {reflect.TypeFor[time.Time](), scalars["time"]}, "number": {reflect.TypeFor[json.Number](), scalars["number"]},
	"raw":  {reflect.TypeFor[json.RawMessage](), Form{Kind: model.AnyValue, Codec: rawMessage}},
	"addr": {reflect.TypeFor[netip.Addr](), Form{Kind: model.TextValue, Codec: "net/netip.Addr"}},
}

var (
	scalarNames = slices.Sorted(func(yield func(string) bool) {
		for name := range scalarSpecs {
			if !yield(name) {
				return
			}
		}
	})
	keyNames    = []string{"string", "int8", "int64", "uint16"}
	quotable    = []string{"bool", "string", "int8", "int64", "uint16", "float32", "float64"}
	memberNames = []string{"a", "b", "c", "B", "1", "200"}
)

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// makeUp makes up a type.
func makeUp(r *rand.Rand, depth int) spec {
	n := r.IntN(100)
	switch {
	case depth > 2 || n < 55:
		return spec{kind: pick(r, scalarNames)}
	case n < 65:
		elem := makeUp(r, depth+1)
		if elem.kind == "pointer" { // no code has such a type, and generators refuse it
			return elem
		}
		return spec{kind: "pointer", elem: &elem}
	case n < 75:
		elem := makeUp(r, depth+1)
		if elem.kind == "uint8" {
			elem.kind = "int8"
		}
		return spec{kind: "slice", elem: &elem}
	case n < 80:
		elem := makeUp(r, depth+1)
		return spec{kind: "array", elem: &elem, len: 1 + r.IntN(3)}
	case n < 90:
		elem := makeUp(r, depth+1)
		return spec{kind: "map", key: pick(r, keyNames), elem: &elem}
	}
	return makeUpStruct(r, depth+1)
}

func makeUpStruct(r *rand.Rand, depth int) spec {
	s := spec{kind: "struct"}
	for _, name := range memberNames {
		if r.IntN(2) == 0 {
			s.members = append(s.members, makeUpMember(r, name, depth))
		}
	}
	return s
}

func makeUpMember(r *rand.Rand, name string, depth int) specMember {
	if r.IntN(8) == 0 {
		return specMember{name, true, spec{kind: pick(r, quotable)}}
	}
	return specMember{name: name, spec: makeUp(r, depth)}
}

// change is the type after a change by a programmer: of one place, or of several.
func (s spec) change(r *rand.Rand, depth int) spec {
	if r.IntN(4) == 0 {
		switch other := makeUp(r, depth); {
		case s.kind == "struct" && depth == 0:
		case r.IntN(3) > 0:
			return other
		case s.kind != "pointer":
			return spec{kind: "pointer", elem: &s}
		default:
			return *s.elem
		}
	}
	if s.elem != nil {
		elem := s.elem.change(r, depth+1)
		if s.kind == "slice" && elem.kind == "uint8" || s.kind == "pointer" && elem.kind == "pointer" {
			return s
		}
		s.elem = &elem
	}
	if s.kind == "array" {
		s.len = max(1, s.len+r.IntN(3)-1)
	}
	if s.kind == "map" && r.IntN(3) == 0 {
		s.key = pick(r, keyNames)
	}
	if s.kind == "struct" {
		members := make([]specMember, 0, len(s.members)+1)
		for _, m := range s.members {
			switch r.IntN(8) {
			case 0:
				continue
			case 1:
				m = makeUpMember(r, m.name, depth+1)
			case 2:
				if !m.quoted {
					m.spec = m.spec.change(r, depth+1)
				}
			}
			members = append(members, m)
		}
		if name := pick(r, memberNames); r.IntN(3) == 0 && !slices.ContainsFunc(members, func(m specMember) bool { return m.name == name }) {
			members = append(members, makeUpMember(r, name, depth+1))
		}
		s.members = members
	}
	return s
}

// place is the form of the type.
func (s spec) place() Place {
	switch s.kind {
	case "pointer":
		p := s.elem.place()
		p.Pointer = true
		return p
	case "slice", "array":
		elem := s.elem.place()
		f := &Form{Kind: model.ListValue, Elem: &elem, Len: int64(s.len)}
		if s.kind == "slice" {
			f.Len = -1
		}
		return Place{Form: f}
	case "map":
		elem, key := s.elem.place(), scalarSpecs[s.key].form
		return Place{Form: &Form{Kind: model.MapValue, Elem: &elem, Keys: &key}}
	case "struct":
		f := &Form{Kind: model.ObjectValue}
		for _, m := range s.members {
			p := m.place()
			p.Quoted = m.quoted
			f.Members = append(f.Members, Member{Name: m.name, Place: p})
		}
		slices.SortFunc(f.Members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
		return Place{Form: f}
	}
	f := scalarSpecs[s.kind].form
	return Place{Form: &f}
}

// typ is the type itself.
func (s spec) typ() reflect.Type {
	switch s.kind {
	case "pointer":
		return reflect.PointerTo(s.elem.typ())
	case "slice":
		return reflect.SliceOf(s.elem.typ())
	case "array":
		return reflect.ArrayOf(s.len, s.elem.typ())
	case "map":
		return reflect.MapOf(scalarSpecs[s.key].typ, s.elem.typ())
	case "struct":
		fields := make([]reflect.StructField, len(s.members))
		for i, m := range s.members {
			tag := m.name
			if m.quoted {
				tag += ",string"
			}
			fields[i] = reflect.StructField{Name: fmt.Sprint("F", i), Type: m.typ(), Tag: reflect.StructTag(`json:"` + tag + `"`)}
		}
		return reflect.StructOf(fields)
	}
	return scalarSpecs[s.kind].typ
}

// fill sets a value to one of those that a type has, the odd ones often.
func (s spec) fill(r *rand.Rand, v reflect.Value) {
	switch s.kind {
	case "pointer":
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			s.elem.fill(r, v.Elem())
		}
	case "slice":
		if n := r.IntN(6) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				s.elem.fill(r, v.Index(i))
			}
		}
	case "array":
		for i := range v.Len() {
			s.elem.fill(r, v.Index(i))
		}
	case "map":
		if n := r.IntN(4) - 1; n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				spec{kind: s.key}.fill(r, key)
				if s.key == "string" && r.IntN(3) > 0 {
					key.SetString(pick(r, memberNames))
				}
				s.elem.fill(r, elem)
				v.SetMapIndex(key, elem)
			}
		}
	case "struct":
		for i, m := range s.members {
			m.fill(r, v.Field(i))
		}
	default:
		fillScalar(r, s.kind, v)
	}
}

var (
	texts  = []string{"", "a", "B", "1", "-1", "200", "1.5", "true", "null", "AQI=", "2026-12-02T10:00:00Z", "::1", "\x00é\"\\<"}
	floats = []float64{0, 1, -1, 0.1, 1.5, 1e10, 16777217, 1e-40, 1e300, -1e300, math.MaxFloat32, math.SmallestNonzeroFloat64}
	anys   = []any{nil, true, "a", "1", "AQI=", "::1", 1.0, 1.5, -1.0, 1e300, []any{1.0, "a"}, []any{}, map[string]any{"a": 1.0, "zz": "a"}, map[string]any{}}
	raws   = []string{"null", "1", "9007199254740993", `"a"`, `{"a":9007199254740993}`, "[1,2]", "true", "1.0"}
)

func fillScalar(r *rand.Rand, kind string, v reflect.Value) {
	switch kind {
	case "bool":
		v.SetBool(r.IntN(2) == 0)
	case "string":
		v.SetString(pick(r, texts))
	case "int8", "int16", "int32", "int64":
		v.SetInt([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1}[r.IntN(6)] >> (64 - v.Type().Bits()))
		if r.IntN(2) == 0 {
			v.SetInt(int64(r.Uint64()) >> (64 - v.Type().Bits()))
		}
	case "uint8", "uint16", "uint32", "uint64":
		v.SetUint([]uint64{0, 1, math.MaxUint64, math.MaxUint64 - 1, math.MaxInt64}[r.IntN(5)] >> (64 - v.Type().Bits()))
	case "float32", "float64":
		if f := pick(r, floats); !v.OverflowFloat(f) {
			v.SetFloat(f)
		}
	case "bytes":
		v.SetBytes([][]byte{nil, {}, {1, 2}, []byte("abc")}[r.IntN(4)])
	case "any":
		if a := pick(r, anys); a != nil {
			v.Set(reflect.ValueOf(a))
		}
	case "time":
		v.Set(reflect.ValueOf(time.Unix(int64(r.Uint32()), int64(r.IntN(2))).UTC()))
	case "number":
		v.SetString([]string{"0", "1", "-1", "1.5", "1e400", "9007199254740993", "300", "1e-400"}[r.IntN(8)])
	case "raw":
		v.SetBytes([]byte(pick(r, raws)))
	case "addr":
		v.Set(reflect.ValueOf(netip.MustParseAddr([]string{"::1", "10.0.0.1"}[r.IntN(2)])))
	}
}
