package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/token"
	"math/big"
	"net/netip"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/taskgen/taskgen/internal/typeinfo"
)

// maxSize bounds the bytes of one value of a type: an array in a description can be of any
// length.
const maxSize = 1 << 20

var errTooLarge = fmt.Errorf("a part of its payload would take more than %d bytes before it is read", maxSize)

// basics are the basic types, and known those that read and write themselves.
var (
	basics = make(map[string]reflect.Type)
	known  = map[string]reflect.Type{
		"time.Time": reflect.TypeFor[time.Time](), "encoding/json.Number": reflect.TypeFor[json.Number](), "encoding/json.RawMessage": raw,
		"net/netip.Addr": reflect.TypeFor[netip.Addr](), "net/netip.AddrPort": reflect.TypeFor[netip.AddrPort](), "net/netip.Prefix": reflect.TypeFor[netip.Prefix](),
		"math/big.Int": reflect.TypeFor[big.Int](), "github.com/google/uuid.UUID": reflect.TypeFor[uuid.UUID](),
	}
	raw = reflect.TypeFor[json.RawMessage]()
)

func init() {
	for _, t := range []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
		reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
		reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
	} {
		basics[t.Kind().String()] = t
	}
	// As wide as on the widest machine.
	basics["int"], basics["uint"], basics["uintptr"] = basics["int64"], basics["uint64"], basics["uint64"]
}

// A builder makes a type of a shape.
type builder struct {
	depth  int
	fields int
}

// building is held while a type is made: reflect keeps each for ever, and there are few.
var building sync.Mutex

// build makes the type of a shape.
func build(s *typeinfo.Shape) (t reflect.Type, err error) {
	building.Lock()
	defer building.Unlock()
	defer func() {
		if p := recover(); p != nil { // reflect refuses a shape that no Go type has
			err = fmt.Errorf("its payload has no type: %v", p)
		}
	}()
	var b builder
	return b.build(s)
}

func (b *builder) build(s *typeinfo.Shape) (reflect.Type, error) {
	if b.depth++; b.depth > 2*typeinfo.MaxDepth+2 {
		return nil, errors.New("its payload is nested too deeply")
	}
	defer func() { b.depth-- }()
	if t, ok := basics[s.Kind]; ok {
		return t, nil
	}
	switch s.Kind {
	case typeinfo.Any:
		return reflect.TypeFor[any](), nil
	case typeinfo.Code:
		if t, ok := known[s.Type]; ok {
			return t, nil
		}
		return raw, nil
	case typeinfo.Struct:
		return b.structure(s)
	case typeinfo.Pointer, typeinfo.Slice, typeinfo.Array, typeinfo.Map:
	default:
		return nil, fmt.Errorf("its payload has a part of kind %q, which this version does not know", s.Kind)
	}
	if s.Elem == nil {
		return nil, fmt.Errorf("its payload has a %s without elem", s.Kind)
	}
	elem, err := b.build(s.Elem)
	if err != nil {
		return nil, err
	}
	switch s.Kind {
	case typeinfo.Pointer:
		return reflect.PointerTo(elem), nil
	case typeinfo.Slice:
		return reflect.SliceOf(elem), nil
	case typeinfo.Map:
		key, ok := basics[s.Key]
		if !ok || !typeinfo.IsKey(s.Key) {
			return nil, fmt.Errorf("its payload has a map with keys of kind %q", s.Key)
		}
		return reflect.MapOf(key, elem), nil
	}
	if s.Len < 0 || s.Len > maxSize || uintptr(s.Len)*max(elem.Size(), 1) > maxSize {
		return nil, errTooLarge
	}
	return reflect.ArrayOf(int(s.Len), elem), nil
}

// structure makes a struct with the same fields in JSON. A name that is not from a tag has
// to be the field's own: encoding/json tells them apart.
func (b *builder) structure(s *typeinfo.Shape) (reflect.Type, error) {
	fields := make([]reflect.StructField, len(s.Fields))
	names := make(map[string]bool, len(s.Fields))
	size := uintptr(0)
	for i := range s.Fields {
		if b.fields++; b.fields > typeinfo.MaxFields {
			return nil, fmt.Errorf("its payload has more than %d fields", typeinfo.MaxFields)
		}
		f := &s.Fields[i]
		t, err := b.build(&f.Shape)
		if err != nil {
			return nil, err
		}
		if size += t.Size(); size > maxSize {
			return nil, errTooLarge
		}
		field := reflect.StructField{Name: "Field_" + strconv.Itoa(i) + "_of_taskgen", Type: t}
		name, options := f.Name, f.Options
		switch {
		case f.Name == "":
			if !isStruct(t) {
				return nil, errors.New("its payload embeds what is no struct")
			}
			field.Anonymous = true
		case !f.Tagged:
			if !token.IsIdentifier(f.Name) || !token.IsExported(f.Name) {
				return nil, fmt.Errorf("its payload has a field %q, which is neither tagged nor an exported name of Go", f.Name)
			}
			field.Name, name = f.Name, ""
		}
		if f.Shape.Own() {
			options = "omitempty" // what its zero value looks like only its code knows
		}
		if name != "" || options != "" {
			field.Tag = reflect.StructTag(`json:` + strconv.Quote(name+","+options))
		}
		if names[field.Name] {
			return nil, fmt.Errorf("its payload has the field %q twice", f.Name)
		}
		names[field.Name], fields[i] = true, field
	}
	return reflect.StructOf(fields), nil
}

func isStruct(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t.Name() == ""
}
