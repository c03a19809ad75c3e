package check

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// allPackages compares the packages of a run: declarations of several packages meet in
// the manager and the router of one program. linked reports whether some program has
// both of two packages, given by their import paths. If no program of the run does, a
// violation is a warning: the packages may have neither a program nor a broker in
// common.
func allPackages(all []model.Package, linked func(a, b string) bool) []diag.Diagnostic {
	c := together{linked: linked, names: make(map[string]owner), queues: make(map[string]declared)}
	for i := range all {
		c.declare(&all[i])
	}
	for i := range all {
		c.wireNames(&all[i])
		c.deadLetters(&all[i])
	}
	return c.diags
}

type together struct {
	linked func(a, b string) bool
	names  map[string]owner
	queues map[string]declared
	diags  []diag.Diagnostic
}

type owner struct {
	pkg  *model.Package
	task *model.Task
	at   model.Span
}

type declared struct {
	pkg   *model.Package
	queue *model.Queue
}

// report adds a violation between two packages.
func (c *together) report(d diag.Diagnostic, p, other *model.Package) {
	if !c.linked(p.Path, other.Path) {
		d.Severity = diag.Warning
	}
	c.diags = append(c.diags, d)
}

// declare: a queue of several packages is the same in all.
func (c *together) declare(p *model.Package) {
	for i := range p.Queues {
		q := &p.Queues[i]
		if q.Name == "" {
			continue
		}
		first, ok := c.queues[q.Name]
		if !ok {
			c.queues[q.Name] = declared{p, q}
			continue
		}
		if first.pkg == p {
			continue // QUEUE_TWICE
		}
		if key, here, there := differs(q, first.queue); key != "" {
			d := rule.QueueDiffers.At(q.Places.Of("queue."+key, "queue.name", "queue"), "", "queue %s has %s=%s here, and %s=%s in package %s", q.Name, key, here, key, there, first.pkg.Path)
			c.report(rule.Related(d, first.queue.Places.Of("queue."+key, "queue.name", "queue").Pos, "the other declaration"), p, first.pkg)
		}
	}
}

// differs returns the first key in which two declarations of a queue differ, and its
// value in each. A missing key has its default.
func differs(a, b *model.Queue) (key, here, there string) {
	x, y := stated(a), stated(b)
	for i := range x {
		if x[i] != y[i] {
			return x[i][0], x[i][1], y[i][1]
		}
	}
	return "", "", ""
}

// stated is the effective declaration, key by key.
func stated(q *model.Queue) [][2]string {
	levels := q.Levels
	if levels == 0 && q.Type == "priority" {
		levels = defaultLevels
	}
	return [][2]string{
		{"type", orStandard(q.Type)},
		{"levels", fmt.Sprint(max(levels, 1))},
		{"visibility", cmp.Or(q.Visibility, defaultVisibility).String()},
		{"max_deliveries", fmt.Sprint(cmp.Or(q.MaxDeliveries, defaultMaxDeliveries))},
		{"dlq", cmp.Or(q.DLQ, q.Name+"-dlq")},
		{"retention", q.Retention.String()},
		{"unknown", max(cmp.Or(q.Unknown, defaultUnknown), 0).String()},
	}
}

// wireNames: no two tasks of different packages have the same name, if they meet in a
// program or on a queue.
func (c *together) wireNames(p *model.Package) {
	for i := range p.Tasks {
		t := &p.Tasks[i]
		for j, name := range append([]string{t.Type}, t.Aliases...) {
			at := place(t, "task.name")
			if j > 0 {
				at = place(t, "task.aliases")
			}
			first, ok := c.names[name]
			if !ok {
				c.names[name] = owner{p, t, at}
				continue
			}
			if first.pkg != p && (c.linked(p.Path, first.pkg.Path) || t.Queue == first.task.Queue) {
				d := rule.TaskNameTaken.At(at, "give one of them another name=",
					"%s is a name of %s and, in package %s, of %s", name, t.Struct, first.pkg.Path, first.task.Struct)
				if t.Type == first.task.Type && alike(&t.Payload, &first.task.Payload) {
					d.Severity = diag.Warning // a copy, as there is while a package moves: each reads what the other writes
				}
				c.report(rule.Related(d, first.at.Pos, "%s has it here", first.task.Struct), p, first.pkg)
			}
		}
	}
}

// alike reports whether two payloads are the same, wherever their fields are declared.
func alike(a, b *model.Payload) bool {
	one, err := json.Marshal(a)
	other, err2 := json.Marshal(b)
	return errors.Join(err, err2) == nil && bytes.Equal(one, other)
}

// deadLetters: the dead letter queue of one package is no queue of another.
func (c *together) deadLetters(p *model.Package) {
	for i := range p.Queues {
		q := &p.Queues[i]
		if q.Name == "" {
			continue
		}
		name := cmp.Or(q.DLQ, q.Name+"-dlq")
		if other, ok := c.queues[name]; ok && other.pkg != p && !slices.ContainsFunc(p.Queues, func(own model.Queue) bool { return own.Name == name }) {
			d := rule.QueueDLQ.At(q.Places.Of("queue.dlq", "queue.name", "queue"), "", "%s is the dead letter queue of %s, and package %s declares it as a queue for tasks", name, q.Name, other.pkg.Path)
			c.report(rule.Related(d, other.queue.Pos, "declared here"), p, other.pkg)
		}
	}
}
