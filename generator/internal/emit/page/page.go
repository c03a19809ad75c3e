// Package page writes a page for people about the tasks and queues of a package, in Markdown
// and in HTML: the model in, text out. Both have the same content.
package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// A page is the content.
type page struct {
	Mark, Package, Path string
	Tasks               []task
	Queues              []queue
}

type task struct {
	Type, Struct string
	Doc          []string // paragraphs
	Facts        []fact
	Fields       []field
	Parts        []part
}

// A part is a declared type that a payload refers to by name.
type part struct {
	Name, Doc string
	Fields    []field // of an object
	Kind      string  // of anything else
}

type queue struct {
	Name  string
	Facts []fact
}

// A fact is one property, in a line for each of several values.
type fact struct {
	Name  string
	Lines []string
}

// A field is a member of a payload, or of an object in it.
type field struct {
	Name, Kind, Doc  string
	Required, Secret bool
}

func of(p *model.Package) page {
	c := page{Mark: model.Mark(p.Path), Package: p.Name, Path: p.Path}
	for i := range p.Tasks {
		c.Tasks = append(c.Tasks, taskOf(&p.Tasks[i]))
	}
	for _, q := range p.Queues {
		var types []string
		for i := range p.Tasks {
			if p.Tasks[i].Queue == q.Name {
				types = append(types, p.Tasks[i].Type)
			}
		}
		c.Queues = append(c.Queues, queueOf(q.WithDefaults(), types))
	}
	return c
}

type facts []fact

func (f *facts) add(name string, lines ...string) {
	if len(lines) > 0 && lines[0] != "" {
		*f = append(*f, fact{name, lines})
	}
}

func taskOf(t *model.Task) task {
	c := task{Type: t.Type, Struct: t.Struct, Doc: paragraphs(t.Doc)}
	var f facts
	f.add("Struct", t.Struct)
	f.add("Former names", strings.Join(t.Aliases, ", "))
	f.add("Queue", t.Queue)
	if t.Priority > 0 {
		f.add("Priority", fmt.Sprint(t.Priority))
	}
	if g := t.Group(); g != nil {
		f.add("In order by", g.JSON)
	}
	f.add("Timeout of a run", words(t.Timeout))
	f.add("Retries", retries(t.Retry))
	f.add("Unique by", unique(t))
	var schedules []string
	for i := range t.Schedules {
		schedules = append(schedules, schedule(&t.Schedules[i]))
	}
	f.add("Schedules", schedules...)
	if t.Schedulable {
		f.add("Scheduled by code", "yes")
	}
	if t.Rate.Limit > 0 {
		f.add("Rate", fmt.Sprintf("%d per %s, in one pool", t.Rate.Limit, words(t.Rate.Per)))
	}
	if t.Concurrency > 0 {
		f.add("Concurrency", fmt.Sprintf("%d at a time, in one pool", t.Concurrency))
	}
	f.add("Result", result(t))
	c.Facts = f
	c.Fields = fields("", &t.Payload.Value)
	for i := range t.Payload.Definitions {
		d := &t.Payload.Definitions[i]
		p := part{Name: d.Name, Doc: d.Doc}
		if d.Value.Kind == model.ObjectValue {
			p.Fields = fields("", &d.Value)
		} else {
			p.Kind = kind(&d.Value)
		}
		c.Parts = append(c.Parts, p)
	}
	return c
}

func queueOf(q model.Queue, types []string) queue {
	var f facts
	f.add("Type", q.Type)
	if q.Type == model.Priority {
		f.add("Levels", fmt.Sprintf("%d: 0, the least urgent, to %d", q.Levels, q.Levels-1))
	}
	f.add("Tasks", strings.Join(types, ", "))
	f.add("Visibility (lease)", words(q.Visibility))
	f.add("Deliveries that crash", fmt.Sprintf("%d of a suspect, then it is dead lettered", q.MaxDeliveries))
	f.add("Dead letter queue", q.DLQ)
	if q.Retention > 0 {
		f.add("Retention", words(q.Retention)+" after a task became due, then it is dead lettered")
	} else {
		f.add("Retention", "no limit")
	}
	if q.Unknown == model.AtOnce {
		f.add("Tasks without a handler", "dead lettered at once")
	} else {
		f.add("Tasks without a handler", "dead lettered after "+words(q.Unknown))
	}
	return queue{Name: q.Name, Facts: f}
}

// fields are the members of an object. Those of an object without a name stand below it.
func fields(prefix string, v *model.Value) []field {
	var all []field
	for i := range v.Members {
		m := &v.Members[i]
		all = append(all, field{Name: prefix + m.Name, Kind: kind(&m.Value), Doc: m.Doc, Required: m.Required, Secret: m.Secret})
		if m.Value.Kind == model.ObjectValue {
			all = append(all, fields(prefix+m.Name+".", &m.Value)...)
		}
	}
	return all
}

// paragraphs are those of a comment, each on one line.
func paragraphs(doc string) []string {
	var all []string
	for text := range strings.SplitSeq(doc, "\n\n") {
		all = append(all, strings.Join(strings.Fields(text), " "))
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}
