package compat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/lock"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
	"github.com/taskgen/taskgen/generator/internal/wire"
)

// A breakage is a finding in one direction, with all shapes of older builds that have it.
type breakage struct {
	wire.Finding
	direction lock.Direction
	shapes    []string
}

// form is that of the code at the place.
func (b *breakage) form() string {
	if b.direction == lock.Old {
		return b.Read
	}
	return b.Written
}

// shapes compares the form of a type with those of older builds.
func (j *judge) shapes(t *model.Task, own, living *lock.Type, form wire.Place) {
	var all []*breakage
	add := func(d lock.Direction, hash string, fs []wire.Finding) {
		for _, f := range fs {
			if d == lock.New && (f.Problem == wire.Removed || f.Problem == wire.Null) {
				continue // older builds do not know a new member, and have no use for its absence
			}
			i := slices.IndexFunc(all, func(b *breakage) bool { return b.Finding == f && b.direction == d })
			if i < 0 {
				i, all = len(all), append(all, &breakage{Finding: f, direction: d})
			}
			all[i].shapes = append(all[i].shapes, hash)
		}
	}
	for _, hash := range living.Hashes() {
		was := living.Shapes[hash].Form
		add(lock.Old, hash, wire.Read(was, form))
		if !j.pkg.Backward {
			add(lock.New, hash, wire.Read(form, was))
		}
	}
	for _, b := range all {
		j.broken(t, own, living, b)
	}
}

// broken reports a break, unless somebody has accepted it or does so now.
func (j *judge) broken(t *model.Task, own, living *lock.Type, b *breakage) {
	if b.Problem == wire.Removed && slices.ContainsFunc(living.Removed, func(r lock.Removed) bool { return r.Path == b.Path }) {
		return
	}
	b.shapes = slices.DeleteFunc(b.shapes, func(hash string) bool {
		return slices.ContainsFunc(living.Accepted, b.accepted(hash).Is)
	})
	switch {
	case len(b.shapes) == 0:
	case j.accept == "":
		j.report(t, b)
	case b.Problem == wire.Removed:
		own.Removed = append(own.Removed, lock.Removed{Path: b.Path, Form: b.Written, Reason: j.accept})
	default:
		for _, hash := range b.shapes {
			a := b.accepted(hash)
			a.Reason = j.accept
			own.Accepted = append(own.Accepted, a)
		}
	}
}

func (b *breakage) accepted(hash string) lock.Accepted {
	return lock.Accepted{Shape: hash, Direction: b.direction, Problem: b.Problem, Path: b.Path, Form: b.form()}
}

// reused finds members with the name of one that is gone, and another form.
func (j *judge) reused(t *model.Task, own *lock.Type, form wire.Place) {
	own.Removed = slices.DeleteFunc(own.Removed, func(r lock.Removed) bool {
		now, ok := form.At(r.Path)
		switch {
		case !ok:
			return false
		case now == r.Form || j.accept != "":
			return true
		}
		j.diags = append(j.diags, rule.WireReused.At(j.place(t, r.Path), "", "%s was %s until it was removed (%s), and is %s now: tasks that have the old one may lie in queues", shown(r.Path), r.Form, r.Reason, now))
		return false
	})
}

// report makes a diagnostic of a break.
func (j *judge) report(t *model.Task, b *breakage) {
	r, ok := rule.Find("WIRE_" + string(b.Problem))
	if !ok {
		panic("no rule for " + b.Problem)
	}
	where := "shape " + strings.Join(b.shapes, ", ")
	if len(b.shapes) > 1 {
		where = "shapes " + strings.Join(b.shapes, ", ")
	}
	var text string
	switch path := shown(b.Path); {
	case b.Problem == wire.Removed:
		text = fmt.Sprintf("%s is not read any more, and tasks in queues have it as %s", path, b.Written)
	case b.direction == lock.Old && b.Written == "":
		text = fmt.Sprintf("%s is required, and tasks in queues do not have it", path)
	case b.direction == lock.Old && b.Problem == wire.Required:
		text = fmt.Sprintf("%s is required, and tasks in queues may have none", path)
	case b.Problem == wire.Required:
		text = fmt.Sprintf("%s is not always written, and workers of an older build require it", path)
	case b.direction == lock.Old:
		text = fmt.Sprintf("%s is read as %s, and tasks in queues have it as %s", path, b.Read, b.Written)
	default:
		text = fmt.Sprintf("%s is written as %s, and workers of an older build read it as %s", path, b.Written, b.Read)
	}
	j.diags = append(j.diags, r.At(j.place(t, b.Path), "", "%s (%s of %s): %s", text, where, t.Type, outcome(b.Consequence)))
}

func outcome(c wire.Consequence) string {
	switch c {
	case wire.Loss:
		return "it is lost, and nobody is told"
	case wire.Garbled:
		return "its value changes, and nobody is told"
	}
	return "the tasks die of an error"
}

func shown(path string) string {
	if path == "" {
		return "the payload"
	}
	return path
}

// place is where the code declares what is at a path of the payload, or else what is around it.
func (j *judge) place(t *model.Task, path string) model.Span {
	at := t.Places.Of("struct")
	v := &t.Payload.Value
	for _, name := range model.Steps(path) {
		v = t.Payload.Behind(v)
		if v.Elem != nil {
			v = v.Elem
			continue
		}
		i := slices.IndexFunc(v.Members, func(m model.Member) bool { return m.Name == name })
		if i < 0 {
			i = slices.IndexFunc(v.Members, func(m model.Member) bool { return strings.EqualFold(m.Name, name) })
		}
		if i < 0 {
			break
		}
		if m := &v.Members[i]; m.Place.Line > 0 {
			at = m.Place
		}
		v = &v.Members[i].Value
	}
	return at
}
