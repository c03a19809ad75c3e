package check

import (
	"slices"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// onePackage checks a package against the rules that need only its model.
func onePackage(p *model.Package) []diag.Diagnostic {
	c := checker{p: p}
	c.queues()
	c.wireNames()
	c.symbols()
	c.outputs()
	for i := range p.Tasks {
		t := &p.Tasks[i]
		c.declared(t)
		c.order(t)
		c.priority(t)
		c.required(t)
		c.retry(t)
		c.unique(t)
		c.schedules(t)
		c.limits(t.Places, timeLimits(t))
	}
	for i := range p.Holders {
		c.shown(&p.Holders[i])
	}
	return c.diags
}

type checker struct {
	p     *model.Package
	diags []diag.Diagnostic
}

func (c *checker) report(r *rule.Rule, at model.Span, fix, format string, args ...any) *diag.Diagnostic {
	c.diags = append(c.diags, r.At(at, fix, format, args...))
	return &c.diags[len(c.diags)-1]
}

// place is the position of an option, or else of the task.
func place(t *model.Task, names ...string) model.Span {
	return t.Places.Of(append(names, "struct")...)
}

// queue finds a declared queue by name.
func (c *checker) queue(name string) *model.Queue {
	i := slices.IndexFunc(c.p.Queues, func(q model.Queue) bool { return q.Name == name })
	if i < 0 {
		return nil
	}
	return &c.p.Queues[i]
}

func (c *checker) queueNames() []string {
	names := make([]string, len(c.p.Queues))
	for i, q := range c.p.Queues {
		names[i] = q.Name
	}
	return names
}

// declared: a task has a queue, a timeout and a retry policy.
func (c *checker) declared(t *model.Task) {
	_, hasQueue := t.Places["task.queue"]
	_, hasTimeout := t.Places["task.timeout"]
	_, hasRetry := t.Places["retry"]
	at := place(t, "task")
	switch {
	case !hasQueue:
		fix := ""
		if len(c.p.Queues) > 0 {
			fix = "add queue=" + c.p.Queues[0].Name + " to //taskgen:task, or queue= to //taskgen:defaults on the package clause"
		}
		c.report(rule.TaskNoQueue, at, fix, "%s names no queue", t.Struct)
	case t.Queue != "" && c.queue(t.Queue) == nil:
		fix := "declare it on the package clause: //taskgen:queue name=" + t.Queue
		if near, ok := rule.Nearest(t.Queue, c.queueNames()); ok {
			fix = "did you mean " + near + "? Otherwise " + fix
		}
		c.report(rule.QueueUndeclared, place(t, "task.queue"), fix, "queue %s is not declared", t.Queue)
	}
	if !hasTimeout {
		c.report(rule.TaskNoTimeout, at, "", "%s has no timeout", t.Struct)
	}
	if !hasRetry {
		c.report(rule.TaskNoRetry, at, "", "%s does not say how often it is retried", t.Struct)
	}
}

// queues: each is declared once, and dead letters are kept apart.
func (c *checker) queues() {
	for i := range c.p.Queues {
		q := &c.p.Queues[i]
		if i > 0 && q.Name != "" && c.p.Queues[i-1].Name == q.Name {
			first := c.queue(q.Name)
			d := c.report(rule.QueueTwice, q.Places.Of("queue.name"), "", "queue %s is declared twice", q.Name)
			*d = rule.Related(*d, first.Pos, "first declared here")
			continue
		}
		if _, ok := q.Places["queue.levels"]; ok && q.Type != "priority" {
			c.report(rule.QueueLevels, q.Places.Of("queue.levels"), "", "queue %s has levels and is of type %s", q.Name, orStandard(q.Type))
		}
		c.limits(q.Places, []limit{{"queue.visibility", q.Visibility}, {"queue.retention", q.Retention}, {"queue.unknown", q.Unknown}})
		if q.Name != "" {
			c.dlq(q)
		}
	}
}

func (c *checker) dlq(q *model.Queue) {
	at := q.Places.Of("queue.dlq", "queue.name", "queue")
	name := q.DLQ
	if name == "" {
		name = q.Name + "-dlq"
		if len(name) > directive.MaxName {
			c.report(rule.ValueName, at, "shorten the name, or give one for the dead letter queue with dlq=",
				"the dead letter queue of %s would have a name of %d characters, and a name has at most %d", q.Name, len(name), directive.MaxName)
		}
	}
	if name == q.Name {
		c.report(rule.QueueDLQ, at, "leave dlq= out for "+q.Name+"-dlq, or name another", "queue %s is its own dead letter queue", q.Name)
		return
	}
	if other := c.queue(name); other != nil {
		d := c.report(rule.QueueDLQ, at, "", "%s is the dead letter queue of %s, and declared as a queue for tasks", name, q.Name)
		*d = rule.Related(*d, other.Pos, "declared here")
	}
}

func orStandard(kind string) string {
	if kind == "" {
		return "standard"
	}
	return kind
}

// wireNames: no two tasks have the same name.
func (c *checker) wireNames() {
	type owner struct {
		task *model.Task
		at   model.Span
	}
	taken := make(map[string]owner)
	for i := range c.p.Tasks {
		t := &c.p.Tasks[i]
		for j, name := range append([]string{t.Type}, t.Aliases...) {
			at := place(t, "task.name")
			if j > 0 {
				at = place(t, "task.aliases")
			}
			first, ok := taken[name]
			switch {
			case !ok:
				taken[name] = owner{t, at}
			case first.task == t:
				c.report(rule.TaskAlias, at, "", "%s is the name of %s already", name, t.Struct)
			default:
				d := c.report(rule.TaskNameTaken, at, "", "%s is a name of %s and of %s", name, first.task.Struct, t.Struct)
				*d = rule.Related(*d, first.at.Pos, "%s has it here", first.task.Struct)
			}
		}
	}
}

// symbols: generated names differ from each other and from handwritten ones.
func (c *checker) symbols() {
	owners, reserved := make(map[string]*model.Task), c.p.Symbols()
	var clashed []*model.Task
	for i := range c.p.Tasks {
		t := &c.p.Tasks[i]
		for _, name := range t.Symbols() {
			first, ok := owners[name]
			switch {
			case slices.Contains(reserved, name):
				c.report(rule.SymbolReserved, place(t), "", "%s would be generated for %s, and is generated for the package", name, t.Struct)
			case ok && !slices.Contains(clashed, t):
				clashed = append(clashed, t) // once for a pair: they share all names or few
				d := c.report(rule.SymbolClash, place(t), "", "%s would be generated for both %s and %s", name, first.Struct, t.Struct)
				*d = rule.Related(*d, first.Pos, "%s", first.Struct)
			case !ok:
				owners[name] = t
			}
			c.handwritten(place(t), name)
		}
	}
	if len(c.p.Tasks)+len(c.p.Queues) > 0 {
		for _, name := range c.p.Symbols() {
			c.handwritten(model.Span{Pos: c.p.Declared[name]}, name)
		}
		needed := []string{"len", "nil"}
		if c.p.Schedules != nil && len(c.p.Schedules.Aliases) > 0 {
			needed = append(needed, "append")
		}
		for _, name := range needed {
			if pos, ok := c.p.Declared[name]; ok {
				c.report(rule.SymbolPredeclared, model.Span{Pos: pos}, "", "the package declares %s, and generated code needs the predeclared one", name)
			}
		}
	}
}

func (c *checker) handwritten(at model.Span, name string) {
	pos, ok := c.p.Declared[name]
	if !ok {
		return
	}
	d := c.report(rule.SymbolTaken, at, "", "%s would be generated, and is declared already", name)
	if pos != at.Pos {
		*d = rule.Related(*d, pos, "declared here")
	}
}
