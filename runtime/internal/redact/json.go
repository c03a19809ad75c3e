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

// Marshal is the body of a generated MarshalJSON. It encodes whole,
// which is the value as a type without that method, unless a log asks: then it
// encodes what [Value] shows of value, or its LogValue where it has one.
//
// Who asks is read off the stack, because nothing else tells. slog's JSON handler
// gives a slice, a map or a struct around a task to encoding/json as it is, and
// MarshalJSON is the one thing that encoding/json lets a type say. But the same
// method is called when the value goes on a queue, into a file or to a browser,
// and there a hidden secret is a lost one. So the nearest function that is no
// part of an encoding decides: that of a logging package means a log, any other
// means that the whole value is wanted. The nearest one, because a handler of
// logs may itself put tasks on a queue. Where it cannot be told the value is
// encoded whole.
//
// Packages of the standard library and of well-known loggers count as logs, and
// so do the methods by which a value presents itself to one, such as LogValue.
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

// NoMarshalJSON keeps a struct from being encoded by the MarshalJSON of another
// that it embeds. The two methods stand in each other's way, so that neither is
// promoted, and encoding/json writes all fields.
type NoMarshalJSON struct{}

// MarshalJSON is there to be ambiguous.
func (NoMarshalJSON) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// marshalWhole and marshalShown are what a value inside finds on the stack when
// it is encoded in its turn.
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

// marshal leaves characters that HTML gives a meaning as they are: the encoder
// that called MarshalJSON escapes them, or does not.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// An asker is what a function on the stack means for how a value is encoded.
type asker uint64

const (
	askedByLog asker = iota
	askedByOther
	askedByWhole // marshalWhole, for a value around this one
	askedByNone  // part of an encoding

	askerBits = 2
)

// whoAsks finds the function that has a value encoded. It is what Marshal
// costs: about 2 µs for the dozen frames from a value in a list to who encodes the
// list (BenchmarkEnqueueHidden). The payload of a task does not pay it on its way
// to a queue, see runtime.Spec.Plain; values with secrets that lie in it do.
func whoAsks() asker {
	var stack [12]uintptr                 // as many as that takes: each frame is some 150 ns
	for skip := 3; ; skip += len(stack) { // from whoever calls Marshal
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

// askers remembers what is at a program counter, which takes a search in the
// tables of the program to find out. Each slot holds a program counter and its
// asker in one word, at its place or one of the next; when these are all taken the
// first is overwritten.
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

// encoders are packages that carry out what others ask for.
var encoders = []string{
	"encoding/json", "reflect", "runtime",
	"github.com/bytedance/sonic", "github.com/go-json-experiment/json", "github.com/goccy/go-json",
	"github.com/json-iterator/go", "github.com/segmentio/encoding",
}

// loggers are packages that write logs, reports of errors or pages for operators. A name that ends
// with a dash stands for all that begin with it.
var loggers = []string{
	"expvar", "log",
	"cloud.google.com/go/logging", "github.com/apex/log", "github.com/charmbracelet/log", "github.com/getsentry/sentry-go",
	"github.com/go-kit/kit/log", "github.com/go-kit/log", "github.com/go-logr/", "github.com/gookit/slog",
	"github.com/hashicorp/go-hclog", "github.com/inconshreveable/log15", "github.com/lmittmann/tint",
	"github.com/phuslu/log", "github.com/rs/zerolog", "github.com/samber/slog-", "github.com/sirupsen/logrus",
	"go.opentelemetry.io/contrib/bridges/", "go.uber.org/zap", "gopkg.in/inconshreveable/log15%2ev2", "k8s.io/klog",
}

// askerNamed tells by the name of a function, which begins with the path of its
// package.
func askerNamed(function string) asker {
	pkg, name := splitFunction(function)
	switch {
	case function == ownPath+".marshalWhole":
		return askedByWhole
	case function == ownPath+".marshalShown":
		return askedByLog
	case function == ownPath+".marshal", function == frontPath+".MarshalRedacted":
		return askedByNone
	case function == "" || inPackage(pkg, encoders):
		return askedByNone
	case inPackage(pkg, loggers):
		return askedByLog
	}
	for i, word := range strings.FieldsFunc(name, func(c rune) bool { return c == '.' || c == '-' }) {
		switch word {
		case "MarshalJSON", "MarshalText", "MarshalJSONTo": // of a value around this one
			return askedByNone
		case "LogValue", "MarshalLogObject", "MarshalLogArray", "MarshalZerologObject", "MarshalZerologArray":
			if i > 0 { // a method, and no type
				return askedByLog
			}
		}
	}
	return askedByOther
}

// ownPath is the path of this package, and frontPath that of the one by whose
// MarshalRedacted generated code calls Marshal.
var (
	ownPath   = reflect.TypeFor[redactor]().PkgPath()
	frontPath = strings.TrimSuffix(ownPath, "/internal/redact")
)

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

// inPackage reports whether a package is one of those at the paths, or below.
func inPackage(pkg string, paths []string) bool {
	for _, path := range paths {
		rest, ok := strings.CutPrefix(pkg, path)
		if ok && (rest == "" || strings.HasSuffix(path, "/") || strings.HasSuffix(path, "-") || rest[0] == '/') {
			return true
		}
	}
	return false
}

// maxNesting is how deep encoding/json reads.
const maxNesting = 10_000

// checkEnds reports a value that leads back to itself, or is deeper than what
// reads JSON takes. encoding/json notices that within one call. Where each level
// is a call of its own, out of MarshalJSON, it would not.
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

// isEncoded says that encoding/json looks into the field.
func isEncoded(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

// An ending looks for the end of a value. at holds the references that were met:
// true those that the value at hand is in, false those that are done with.
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

// repeats remembers the answers of mayRepeat.
var repeats sync.Map // reflect.Type → bool

// mayRepeat says that a value of the type may lead to another of the same type,
// or anywhere at all.
func mayRepeat(t reflect.Type) bool {
	if known, ok := repeats.Load(t); ok {
		return known.(bool)
	}
	found := findRepeat(t, make(map[reflect.Type]bool))
	repeats.Store(t, found)
	return found
}

// findRepeat looks for a way through types that comes back to one that it is in.
// around holds these as true, and types that are done with as false.
func findRepeat(t reflect.Type, around map[reflect.Type]bool) bool {
	if inside, met := around[t]; met {
		return inside
	}
	around[t] = true
	defer func() { around[t] = false }()
	if encodesItself(t) && natureOf(t) != certainlySecret {
		return false // by a MarshalJSON that is not generated
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
