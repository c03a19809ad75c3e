package fleetstoretest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

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
	byText := func(a, b fleetstore.Type) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(got, byText)
	slices.SortFunc(want, byText)
	s.check(len(got) == len(want) && (len(got) == 0 || reflect.DeepEqual(got, want)), "the types are\n%+v, want\n%+v", got, want)
}

var welcome = fleetstore.Type{
	Name: "welcome", Aliases: []string{"hello"}, Queue: "mail", Schema: `{"type": "object"}`, Secrets: []string{"/token", "/to/*/iban"},
	Timeout: 90 * time.Second, MaxRetries: 5, Result: true,
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
