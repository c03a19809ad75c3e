package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// Marshal is the body of a generated MarshalJSON. It encodes whole, which is the value
// as a type without that method. For a log it encodes instead what [Value] shows of
// value, or its LogValue if it has one.
//
// The caller is read off the stack, because nothing else identifies it. slog's JSON
// handler passes a slice, a map or a struct around a task to encoding/json unchanged,
// and MarshalJSON is the only hook of a type there. But the same method is called when
// the value goes on a queue, into a file or to a browser, and there a hidden secret is
// a lost one. So the nearest function outside any encoding decides: a function of a
// logging package means a log, any other means that the whole value is wanted. It is
// the nearest one because a log handler may itself put tasks on a queue. In doubt the
// value is encoded whole.
//
// Packages of the standard library and of well-known loggers count as logs, and so do
// the methods by which a value presents itself to a log, such as LogValue.
func Marshal(value, whole any) ([]byte, error) {
	asks := whoAsks()
	if asks == askedByLog {
		return marshalShown(value)
	}
	if asks == askedByOther {
		if err := checkEnds(whole); err != nil {
			return nil, err
		}
	}
	return marshalWhole(whole)
}

// NoMarshalJSON keeps a struct from being encoded by the MarshalJSON of another that it
// embeds. The two methods conflict, so neither is promoted, and encoding/json writes
// all fields.
type NoMarshalJSON struct{}

// MarshalJSON exists to be ambiguous.
func (NoMarshalJSON) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// marshalWhole and marshalShown mark the stack for the encoding of values inside.
func marshalWhole(v any) ([]byte, error) { return marshal(v) }

func marshalShown(v any) ([]byte, error) {
	r := redactor{left: maxParts}
	said := slog.AnyValue(v)
	if said.Kind() == slog.KindLogValuer {
		said = r.said(said, 0)
	} else {
		said = r.parts(indirect(reflect.ValueOf(v)), 0)
	}
	return appendShownJSON(nil, said)
}

// marshal does not escape HTML: the encoder that called MarshalJSON does, or does not.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// An asker is how a function on the stack wants a value encoded.
type asker uint64

const (
	askedByLog asker = iota
	askedByOther
	askedByWhole // marshalWhole, for a value around this one
	askedByNone  // part of an encoding

	askerBits = 2
)

// whoAsks finds the function that has a value encoded. It is the cost of Marshal: about
// 2 µs for the dozen frames from a value in a list to the caller that encodes the list
// (BenchmarkEnqueueHidden). A task's payload does not pay it on its way to a queue, see
// runtime.Spec.Plain; values with secrets inside it do.
func whoAsks() asker {
	var stack [12]uintptr                 // enough for that case: each frame costs some 150 ns
	for skip := 3; ; skip += len(stack) { // from the caller of Marshal
		n := goruntime.Callers(skip, stack[:])
		for _, pc := range stack[:n] {
			if by := askerAt(pc); by != askedByNone {
				return by
			}
		}
		if n < len(stack) {
			return askedByOther
		}
	}
}

// askers caches the asker of a program counter, because finding it takes a search in
// the program's tables. Each slot holds a program counter and its asker in one word, at
// its own index or one of the next. If these are all taken the first is overwritten.
var askers [1 << 10]atomic.Uint64

const askersNear = 8 // slots that one program counter may be in

func askerAt(pc uintptr) asker {
	home := uint64(pc) * 0x9e3779b97f4a7c15 >> 32 // spread: program counters lie close together
	free := &askers[home%uint64(len(askers))]
	for i := range uint64(askersNear) {
		slot := &askers[(home+i)%uint64(len(askers))]
		known := slot.Load()
		if known>>askerBits == uint64(pc) {
			return asker(known & (1<<askerBits - 1))
		}
		if known == 0 {
			free = slot
			break
		}
	}
	frame, _ := goruntime.CallersFrames([]uintptr{pc}).Next()
	by := askerNamed(frame.Function)
	free.Store(uint64(pc)<<askerBits | uint64(by))
	return by
}

// encoders are packages that encode on behalf of a caller.
var encoders = []string{
	"encoding/json", "reflect", "runtime",
	"github.com/bytedance/sonic", "github.com/go-json-experiment/json", "github.com/goccy/go-json",
	"github.com/json-iterator/go", "github.com/segmentio/encoding",
}

// loggers are packages that write logs, error reports or pages for operators. A name
// that ends with a dash is a prefix.
var loggers = []string{
	"expvar", "log",
	"cloud.google.com/go/logging", "github.com/apex/log", "github.com/charmbracelet/log", "github.com/getsentry/sentry-go",
	"github.com/go-kit/kit/log", "github.com/go-kit/log", "github.com/go-logr/", "github.com/gookit/slog",
	"github.com/hashicorp/go-hclog", "github.com/inconshreveable/log15", "github.com/lmittmann/tint",
	"github.com/phuslu/log", "github.com/rs/zerolog", "github.com/samber/slog-", "github.com/sirupsen/logrus",
	"go.opentelemetry.io/contrib/bridges/", "go.uber.org/zap", "gopkg.in/inconshreveable/log15%2ev2", "k8s.io/klog",
}

// askerNamed derives the asker from a function's name, which begins with the path of
// its package.
func askerNamed(function string) asker {
	pkg, name := splitFunction(function)
	switch {
	case function == ownPath+".marshalWhole":
		return askedByWhole
	case function == ownPath+".marshalShown":
		return askedByLog
	case function == ownPath+".marshal":
		return askedByNone
	case function == "" || inPackage(pkg, encoders):
		return askedByNone
	case inPackage(pkg, loggers):
		return askedByLog
	}
	for i, word := range strings.FieldsFunc(name, func(c rune) bool { return c == '.' || c == '-' }) {
		switch word {
		case "MarshalJSON", "MarshalText", "MarshalJSONTo": // of a value around this one, or of package generated
			return askedByNone
		case "LogValue", "MarshalLogObject", "MarshalLogArray", "MarshalZerologObject", "MarshalZerologArray":
			if i > 0 { // a method, not a type
				return askedByLog
			}
		}
	}
	return askedByOther
}

// ownPath is the path of this package.
var ownPath = reflect.TypeFor[redactor]().PkgPath()

// splitFunction splits the name of a function into the path of its package and the
// rest. Dots in the last element of a path are escaped, those before are not.
func splitFunction(function string) (pkg, name string) {
	path, _, _ := strings.Cut(function, "[")
	last := strings.LastIndexByte(path, '/') + 1
	dot := strings.IndexByte(path[last:], '.')
	if dot < 0 {
		return function, ""
	}
	return function[:last+dot], function[last+dot+1:]
}

// inPackage reports whether a package is at or below one of the paths.
func inPackage(pkg string, paths []string) bool {
	for _, path := range paths {
		rest, ok := strings.CutPrefix(pkg, path)
		if ok && (rest == "" || strings.HasSuffix(path, "/") || strings.HasSuffix(path, "-") || rest[0] == '/') {
			return true
		}
	}
	return false
}

// maxNesting is the nesting limit of encoding/json's decoder.
const maxNesting = 10_000

// checkEnds reports a value that contains itself, or is nested deeper than JSON
// decoders accept. encoding/json notices that within one call, but not if each level is
// a call of its own, from MarshalJSON.
func checkEnds(v any) error {
	rv := reflect.ValueOf(v)
	if !mayRepeat(rv.Type()) {
		return nil
	}
	e := ending{at: make(map[reference]bool)}
	if !e.ends(rv, 0) {
		return fmt.Errorf("a value of type %s leads back to itself, or is nested more than %d deep", indirectType(rv.Type()), maxNesting)
	}
	return nil
}

func indirectType(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// isEncoded reports whether encoding/json looks into the field.
func isEncoded(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

// An ending searches a value for cycles. at holds the references met: true for those
// that contain the current value, false for finished ones.
type ending struct{ at map[reference]bool }

func (e *ending) ends(v reflect.Value, depth int) bool {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || !mayRepeat(v.Type()) {
		return true
	}
	if ref, refers := referenceOf(v); refers {
		if inside, met := e.at[ref]; met {
			return !inside
		}
		if depth++; depth > maxNesting {
			return false
		}
		e.at[ref] = true
		defer func() { e.at[ref] = false }()
	}
	switch v.Kind() {
	case reflect.Pointer:
		return e.ends(v.Elem(), depth)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !e.ends(v.Index(i), depth) {
				return false
			}
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			if !e.ends(entry.Value(), depth) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if isEncoded(v.Type().Field(i)) && !e.ends(v.Field(i), depth) {
				return false
			}
		}
	}
	return true
}

// repeats caches the answers of mayRepeat.
var repeats sync.Map // reflect.Type → bool

// mayRepeat reports whether a value of the type may contain another of the same type,
// or any value at all.
func mayRepeat(t reflect.Type) bool {
	if known, ok := repeats.Load(t); ok {
		return known.(bool)
	}
	found := findRepeat(t, make(map[reflect.Type]bool))
	repeats.Store(t, found)
	return found
}

// findRepeat searches for a cycle of types. around holds the types that contain the
// current one as true, and finished types as false.
func findRepeat(t reflect.Type, around map[reflect.Type]bool) bool {
	if inside, met := around[t]; met {
		return inside
	}
	around[t] = true
	defer func() { around[t] = false }()
	if encodesItself(t) && natureOf(t) != certainlySecret {
		return false // by a method that is not generated
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return findRepeat(t.Elem(), around)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); isEncoded(f) && findRepeat(f.Type, around) {
				return true
			}
		}
	}
	return false
}
