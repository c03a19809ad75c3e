// Package compat is the step after check: it compares the payloads of packages with those of
// the tasks that may lie in queues, which their locks have. Models go in; diagnostics and the
// new locks come out, and the models have the names of their forms.
package compat

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/lock"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
	"github.com/taskgen/taskgen/generator/internal/wire"
)

// A Query says what to do besides comparing.
type Query struct {
	// Accept is the reason for which all breaks are accepted. Empty: none is.
	Accept string
	// Extinct are the shapes and types that no task has any more.
	Extinct []Extinct
	// Against returns another lock of a package, as it was at another time: its shapes and
	// types count as well. Nil: there is none.
	Against func(path string) ([]byte, error)
	Trace   *load.Trace
}

// Result is what Run found.
type Result struct {
	// Files are the locks by absolute path. Nil is one that should not exist.
	Files       map[string][]byte
	Diagnostics []diag.Diagnostic // sorted
}

// Run compares packages with their locks. gone are the folders of packages that have no tasks
// any more. Error means that a file cannot be read.
func Run(packages []model.Package, gone []string, q Query) (*Result, error) {
	r := &Result{Files: make(map[string][]byte)}
	used := make([]bool, len(q.Extinct))
	for i := range packages {
		if err := r.add(&packages[i], q, used); err != nil {
			return nil, err
		}
	}
	for _, dir := range gone {
		if err := r.add(&model.Package{Dir: dir}, q, used); err != nil {
			return nil, err
		}
	}
	for i, e := range q.Extinct {
		if !used[i] {
			return nil, fmt.Errorf("taskgen: no lock of the packages has %s: taskgen.lock has the names of types and shapes", e)
		}
	}
	r.Diagnostics = diag.Sort(r.Diagnostics)
	return r, nil
}

// add compares one package.
func (r *Result) add(pkg *model.Package, q Query, used []bool) error {
	path := filepath.Join(pkg.Dir, lock.FileName)
	old, there, err := read(path, q.Trace.Read)
	if d, ok := unreadable(path, err); ok {
		r.Diagnostics = append(r.Diagnostics, d)
		return nil
	}
	if err != nil {
		return err
	}
	for i, e := range q.Extinct {
		used[i] = e.remove(old) || used[i]
	}
	j := judge{pkg: pkg, path: path, lock: old, accept: q.Accept}
	if q.Against != nil {
		other, _, err := read(path, q.Against)
		if d, ok := unreadable(path, err); ok {
			d.Message = "the lock to compare with: " + d.Message
			r.Diagnostics = append(r.Diagnostics, d)
			return nil
		}
		if err != nil {
			return err
		}
		j.against = other
	}
	j.run()
	r.Diagnostics = append(r.Diagnostics, j.diags...)
	switch {
	case len(j.lock) > 0:
		r.Files[path] = j.lock.Text()
	case there:
		r.Files[path] = nil
	}
	return nil
}

// read reads a lock. One that is missing has no types.
func read(path string, from func(string) ([]byte, error)) (f lock.File, there bool, err error) {
	text, err := from(path)
	if errors.Is(err, fs.ErrNotExist) {
		return make(lock.File), false, nil
	}
	if err != nil {
		return nil, false, err
	}
	f, err = lock.Parse(text)
	return f, true, err
}

func unreadable(path string, err error) (diag.Diagnostic, bool) {
	var wrong *lock.Error
	if !errors.As(err, &wrong) {
		return diag.Diagnostic{}, false
	}
	at := model.Span{Pos: model.Pos{File: path, Line: wrong.Line, Column: 1}}
	return rule.WireLock.At(at, wrong.Fix, "%s", wrong.Text), true
}

// A judge compares one package with its lock, which it brings up to date.
type judge struct {
	pkg     *model.Package
	path    string // of the lock
	lock    lock.File
	against lock.File // another one to compare with; nil: none
	accept  string    // the reason to accept what is found; empty: it is reported
	diags   []diag.Diagnostic
}

func (j *judge) run() {
	j.rename(j.lock)
	j.rename(j.against)
	j.gone()
	for i := range j.pkg.Tasks {
		j.task(&j.pkg.Tasks[i])
	}
}

// rename gives what a lock has of a type to the one that has its name as an alias now.
func (j *judge) rename(f lock.File) {
	for i := range j.pkg.Tasks {
		t := &j.pkg.Tasks[i]
		for _, alias := range t.Aliases {
			if was, ok := f[alias]; ok {
				delete(f, alias)
				f.Of(t.Type).Join(was)
				f.Of(t.Type).AddName(alias)
			}
		}
	}
}

// task compares one type.
func (j *judge) task(t *model.Task) {
	form := wire.Of(&t.Payload)
	hash, shape := lock.ShapeOf(form)
	t.Form, t.Reads = hash, nil
	own := j.lock.Of(t.Type)
	living := j.living(t.Type)
	j.queues(t, living)
	j.names(t, living)
	j.reused(t, own, form)
	j.shapes(t, own, living, form)
	for other := range own.Shapes {
		if other != hash {
			t.Reads = append(t.Reads, other)
		}
	}
	slices.Sort(t.Reads)
	own.Shapes[hash] = shape
	own.AddQueue(t.Queue)
	for _, alias := range t.Aliases {
		own.AddName(alias)
	}
}

// living is what may lie in queues of a type: what the lock has, and the one to compare with.
func (j *judge) living(name string) *lock.Type {
	f := lock.File{name: j.lock.Of(name)}.Clone()
	if other, ok := j.against[name]; ok {
		f[name].Join(other)
	}
	return f[name]
}
