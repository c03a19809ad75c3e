package fleetstoretest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

func (s *env) types() []fleetstore.Type {
	s.Helper()
	all, err := s.Types(s.ctx)
	s.check(err == nil, "types: %v", err)
	return all
}

func (s *env) puts(ttl time.Duration, types ...fleetstore.Type) {
	s.Helper()
	err := s.PutTypes(s.ctx, types, ttl)
	s.check(err == nil, "put types: %v", err)
}

// knows fails unless the descriptions are these, in any order.
func (s *env) knows(want ...fleetstore.Type) {
	s.Helper()
	got := s.types()
	rest := slices.Clone(got)
	for i := range want {
		at := slices.IndexFunc(rest, func(t fleetstore.Type) bool { return reflect.DeepEqual(t, want[i]) })
		if at < 0 {
			s.Fatalf("of the types\n%s\nthere is none\n%s", textOf(got), textOf(want[i:i+1]))
		}
		rest = slices.Delete(rest, at, at+1)
	}
	if len(rest) > 0 {
		s.Fatalf("the types are\n%s\nand these are too many:\n%s", textOf(got), textOf(rest))
	}
}

// textOf are types with all that they hold.
func textOf(types []fleetstore.Type) string {
	lines := make([]string, len(types))
	for i := range types {
		data, err := types[i].Encode()
		lines[i] = fmt.Sprintf("%s %v", data, err)
	}
	return strings.Join(lines, "\n")
}

// welcome has all that a type can have.
var welcome = fleetstore.Type{
	Name: "welcome", Aliases: []string{"hello"}, Queue: "mail", Schema: `{"type": "object"}`, Shape: "0123456789ab", Secrets: []string{"/token", "/to/*/iban"},
	Timeout: 90 * time.Second, MaxRetries: 5, Result: true, Retention: time.Hour,
	Retry: fleetstore.Retry{Backoff: "linear", Base: time.Second, Cap: time.Minute, Factor: 1.5, Jitter: 0.1},
	Template: &fleetstore.Template{
		Version: 1, Priority: 2, SchemaVersion: 3, UniqueBy: []string{"user"}, UniqueFor: time.Hour, GroupBy: "user", Required: []string{"user"}, Sealed: true,
		Payload: &typeinfo.Shape{Kind: typeinfo.Struct, Fields: []typeinfo.Field{
			{Name: "user", Tagged: true, Options: "omitempty", Shape: typeinfo.Shape{Kind: "string"}},
			{Name: "To", Shape: typeinfo.Shape{Kind: typeinfo.Map, Key: "string", Elem: &typeinfo.Shape{Kind: typeinfo.Array, Len: 3, Elem: &typeinfo.Shape{Kind: typeinfo.Code, Type: "time.Time"}}}},
		}},
	},
}

// unlike are types that differ from welcome deep inside.
func unlike() []fleetstore.Type {
	refused, sealed, shaped := *welcome.Template, *welcome.Template, *welcome.Template
	refused.Payload, refused.Refused = nil, "its payloads have a codec of their own"
	sealed.Sealed = false
	shaped.Payload = &typeinfo.Shape{Kind: typeinfo.Struct, Fields: slices.Clone(welcome.Template.Payload.Fields)}
	shaped.Payload.Fields[0].Shape.Kind = "int64"
	types := make([]fleetstore.Type, 0, 4)
	for _, t := range []*fleetstore.Template{&refused, &sealed, &shaped, nil} {
		other := welcome
		other.Template = t
		types = append(types, other)
	}
	return types
}

func typed(s *env) {
	s.knows()
	s.puts(long)
	goodbye := fleetstore.Type{Name: "goodbye"}
	s.puts(long, welcome, goodbye)
	s.knows(welcome, goodbye)
	s.puts(long, goodbye)
	other := s.Open()
	s.check(other.PutTypes(s.ctx, []fleetstore.Type{welcome}, long) == nil, "put types in another process")
	s.knows(welcome, goodbye)
	s.puts(long, unlike()...)
	s.knows(append(unlike(), welcome, goodbye)...)
}

func succeeded(s *env) {
	next := welcome
	next.Schema = `{"type": "object", "required": ["token"]}`
	last := func(want fleetstore.Type) {
		s.Helper()
		all := s.types()
		s.check(len(all) == 2 && reflect.DeepEqual(all[1], want), "the types are %+v, want %+v as the last", all, want)
	}
	s.puts(long, welcome)
	s.puts(long, next)
	last(next)
	s.puts(long, next)
	last(next)
	s.puts(long, welcome)
	last(welcome)
}

func forgotten(s *env) {
	short, other := fleetstore.Type{Name: "short"}, fleetstore.Type{Name: "prolonged"}
	s.puts(ttl, short, other)
	s.puts(long, welcome, other)
	s.knows(short, other, welcome)
	s.Pass(ttl + s.Late)
	s.knows(other, welcome)
	s.puts(long, short)
	s.knows(short, other, welcome)
}

// large puts some megabytes, more than fits in one request.
func large(s *env) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = 'a' + byte(random.UintN(26))
		}
		return string(b)
	}
	types := make([]fleetstore.Type, 260)
	for i := range types {
		types[i] = fleetstore.Type{Name: fmt.Sprint("t", i), Schema: text(10_000)}
	}
	types[7].Schema = text(fleetstore.MaxTypeSize - 100)
	types[8].Schema = text(fleetstore.MaxTypeSize - 100)
	s.puts(long, types...)
	s.knows(types...)
	s.puts(long, types...)
	s.knows(types...)
}

func odd(s *env) {
	names := []string{"{a}b", "a b", "*", ">", "a.b", "a%b", "", "a\nb", "a\x00b", `"quoted"`, "ключ", "💌", strings.Repeat("x", 500)}
	for _, name := range names {
		w := full(name)
		w.Name, w.Host, w.Types, w.Running[0].TaskID = name, name, []string{name}, name
		s.beats(w, 0, long)
		s.sends(cancel(name, name), long)
		s.puts(long, fleetstore.Type{Name: name, Aliases: []string{name}, Secrets: []string{"/" + name}})
	}
	for _, w := range s.lists(names...) {
		s.check(w.Name == w.ID && w.Host == w.ID && w.Types[0] == w.ID && w.Running[0].TaskID == w.ID, "worker %q: %+v", w.ID, w)
		orders := s.beats(w, 0, long)
		s.check(len(orders) == 1 && orders[0].TaskID == w.ID, "orders to %q: %+v", w.ID, orders)
		s.check(len(s.beats(w, orders[0].Seq, long)) == 0, "orders to %q that were done", w.ID)
	}
	s.check(len(s.types()) == len(names), "types: %+v", s.types())
	for i, t := range s.types() {
		s.check(t.Name == names[i] && t.Aliases[0] == t.Name && t.Secrets[0] == "/"+t.Name, "type %q: %+v", names[i], t)
	}
	for i, id := range names {
		s.check(s.Leave(s.ctx, id) == nil, "worker %q leaves", id)
		s.lists(names[i+1:]...)
	}
}
