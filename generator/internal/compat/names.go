package compat

import (
	"maps"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/lock"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// gone finds the types of the locks that the code does not have.
func (j *judge) gone() {
	all := make(map[string]bool)
	for _, f := range []lock.File{j.lock, j.against} {
		for name := range f {
			all[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if slices.ContainsFunc(j.pkg.Tasks, func(t model.Task) bool { return t.Type == name }) {
			continue
		}
		at := model.Span{Pos: model.Pos{File: j.path, Line: 1, Column: 1}}
		if t, ok := j.lock[name]; ok {
			at.Line = t.Line
		}
		fix := "keep its struct and its handler until no queue has a task of it, and then run taskgen extinct " + name + "; if the type has a new name, add aliases=" + name + " to its //taskgen:task"
		if near, ok := rule.Nearest(name, j.taskTypes()); ok {
			fix = "if its name is " + near + " now, add aliases=" + name + " there; else keep its struct and its handler until no queue has a task of it, and then run taskgen extinct " + name
		}
		j.diags = append(j.diags, rule.WireName.At(at, fix, "the type %s is gone: workers of this build do not know it, and its tasks that lie in queues die", name))
	}
}

func (j *judge) taskTypes() []string {
	names := make([]string, len(j.pkg.Tasks))
	for i := range j.pkg.Tasks {
		names[i] = j.pkg.Tasks[i].Type
	}
	return names
}

// names finds the former names of a type that it does not have any more.
func (j *judge) names(t *model.Task, living *lock.Type) {
	for _, name := range living.Names {
		if slices.Contains(t.Aliases, name) || name == t.Type || slices.ContainsFunc(j.pkg.Tasks, func(t model.Task) bool {
			return t.Type == name || slices.Contains(t.Aliases, name)
		}) {
			continue
		}
		j.diags = append(j.diags, rule.WireName.At(t.Places.Of("task.aliases", "task.name", "task", "struct"),
			"keep "+name+" among its aliases until no queue has a task of that name, and then run taskgen extinct "+name,
			"%s no longer has the alias %s: workers of this build do not know the name, and the tasks that have it die", t.Type, name))
	}
}

// queues finds the queues of a type that the package does not declare any more.
func (j *judge) queues(t *model.Task, living *lock.Type) {
	for _, queue := range living.Queues {
		if slices.ContainsFunc(j.pkg.Queues, func(q model.Queue) bool { return q.Name == queue }) {
			continue
		}
		j.diags = append(j.diags, rule.WireQueue.At(t.Places.Of("task.queue", "struct"),
			"keep //taskgen:queue name="+queue+" until the queue is empty, and then run taskgen extinct queue:"+queue,
			"the queue %s is no longer declared: nobody takes the tasks of %s that lie there", queue, t.Type))
	}
}
