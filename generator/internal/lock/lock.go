// Package lock reads and writes taskgen.lock, the file of a package that has the JSON forms
// of all tasks that may lie in queues: those that the code writes now, and those that earlier
// builds wrote. It also has the breaks that somebody accepted, with the reasons. Users commit
// it.
//
// Each line stands for itself, so that the file can be merged line by line: the union of the
// lines of two branches, in any order, is the lock of both.
package lock

import (
	"maps"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/wire"
)

// FileName is the name of the file, beside the package's Go files.
const FileName = "taskgen.lock"

// Header is the first line of the file.
const Header = "# Written by taskgen. Commit it: it has the JSON forms of the tasks that may lie in queues."

// A File is the content of taskgen.lock, by the names of the types.
type File map[string]*Type

// A Type is what the file has of a type of task.
type Type struct {
	Line   int      // the first that is about it; 0: none
	Names  []string // other ones under which its tasks may lie in queues, sorted
	Queues []string // on which they may lie, sorted
	Shapes map[string]Shape
	// Removed are the members that the code no longer reads, on purpose.
	Removed []Removed
	// Accepted are the breaks that somebody accepted.
	Accepted []Accepted
}

// A Shape is a form of the payload that tasks in queues may have.
type Shape struct {
	Lines []wire.Line
	Form  wire.Place
}

// ShapeOf is the shape of a form.
func ShapeOf(form wire.Place) (hash string, s Shape) {
	s = Shape{form.Lines(), form}
	return wire.Hash(s.Lines), s
}

// A Removed is a member that is gone on purpose. Its name is not free: a member with the same
// path and another form would be something else.
type Removed struct {
	Path   string
	Form   string // as findings name it
	Reason string
}

// A Direction says who reads what whom wrote.
type Direction string

// The directions.
const (
	Old Direction = "old" // the code reads tasks that an older build wrote
	New Direction = "new" // an older build reads tasks that the code writes
)

// An Accepted is a finding that somebody accepted. It holds as long as the code has the same
// form at the place.
type Accepted struct {
	Shape     string // of the older build
	Direction Direction
	Problem   wire.Problem
	Path      string
	Form      string // of the code, as findings name it; empty: none
	Reason    string
}

// Is reports whether two are of the same finding, whatever the reasons.
func (a Accepted) Is(b Accepted) bool {
	b.Reason = a.Reason
	return a == b
}

// Of returns the type of a name, which it makes if there is none.
func (f File) Of(name string) *Type {
	t := f[name]
	if t == nil {
		t = &Type{Shapes: make(map[string]Shape)}
		f[name] = t
	}
	return t
}

// Clone is a copy that can be changed. Both share the shapes themselves.
func (f File) Clone() File {
	c := make(File, len(f))
	for name, t := range f {
		c[name] = &Type{t.Line, slices.Clone(t.Names), slices.Clone(t.Queues), maps.Clone(t.Shapes), slices.Clone(t.Removed), slices.Clone(t.Accepted)}
	}
	return c
}

// Join adds what another type has, for a type that has a new name.
func (t *Type) Join(other *Type) {
	for _, name := range other.Names {
		t.AddName(name)
	}
	for _, queue := range other.Queues {
		t.AddQueue(queue)
	}
	maps.Copy(t.Shapes, other.Shapes)
	t.Removed = append(t.Removed, other.Removed...)
	t.Accepted = append(t.Accepted, other.Accepted...)
}

// AddName adds a name.
func (t *Type) AddName(name string) { t.Names = insert(t.Names, name) }

// AddQueue adds a queue.
func (t *Type) AddQueue(name string) { t.Queues = insert(t.Queues, name) }

func insert(sorted []string, s string) []string {
	i, ok := slices.BinarySearch(sorted, s)
	if ok {
		return sorted
	}
	return slices.Insert(sorted, i, s)
}

// Has reports whether a shape of the type has a member at a path.
func (t *Type) Has(path string) bool {
	for _, s := range t.Shapes {
		if slices.ContainsFunc(s.Lines, func(l wire.Line) bool { return l.Path == path }) {
			return true
		}
	}
	return false
}

// Trim removes what is about shapes and members that no task in a queue has any more.
func (t *Type) Trim() {
	t.Removed = slices.DeleteFunc(t.Removed, func(r Removed) bool { return !t.Has(r.Path) })
	t.Accepted = slices.DeleteFunc(t.Accepted, func(a Accepted) bool {
		_, ok := t.Shapes[a.Shape]
		return !ok
	})
}

// Hashes are the names of the shapes, sorted.
func (t *Type) Hashes() []string { return slices.Sorted(maps.Keys(t.Shapes)) }

// depthFirst compares two lines so that those of a form are in the order of wire.Place.Lines.
func depthFirst(a, b wire.Line) int { return slices.Compare(model.Steps(a.Path), model.Steps(b.Path)) }
