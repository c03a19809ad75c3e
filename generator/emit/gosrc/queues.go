package gosrc

import (
	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

var queueTypes = map[string]string{"fifo": "FIFO", "priority": "Priority"}

// queues writes the topology: what a provider creates or verifies.
func (f *file) queues() {
	if len(f.pkg.Queues) == 0 {
		return
	}
	configs := literal{}
	for i := range f.pkg.Queues {
		configs.fields = append(configs.fields, f.queue(&f.pkg.Queues[i]))
	}
	f.declare(
		doc("Queues lists the queues that the package declares, for Manager.Open."),
		// func Queues() []runtime.QueueConfig { return []runtime.QueueConfig{…} }
		jen.Func().Id("Queues").Params().Index().Qual(RuntimePath, "QueueConfig").Block(
			jen.Return(jen.Index().Qual(RuntimePath, "QueueConfig").Add(configs.values())),
		),
	)
}

// queue is {Name: "payments", Type: runtime.FIFO}: on one line where it is that
// short.
func (f *file) queue(q *model.Queue) *jen.Statement {
	var l literal
	l.set("Name", jen.Lit(q.Name))
	if name, ok := queueTypes[q.Type]; ok {
		l.set("Type", jen.Qual(RuntimePath, name))
	}
	if q.Levels != 0 {
		l.set("Levels", jen.Lit(q.Levels))
	}
	if q.Visibility != 0 {
		l.set("Visibility", duration(q.Visibility))
	}
	if q.MaxDeliveries != 0 {
		l.set("MaxDeliveries", jen.Lit(q.MaxDeliveries))
	}
	if q.DLQ != "" {
		l.set("DLQ", jen.Lit(q.DLQ))
	}
	if q.Retention != 0 {
		l.set("Retention", duration(q.Retention))
	}
	switch {
	case q.Unknown == model.AtOnce:
		l.set("Unknown", jen.Qual(RuntimePath, "BuryUnknown"))
	case q.Unknown != 0:
		l.set("Unknown", duration(q.Unknown))
	}
	types := f.typesOn(q.Name)
	if len(types) > 0 {
		l.set("Types", f.types(types))
	}
	if len(l.fields) <= 3 && len(types) <= typesOnALine {
		return l.inline()
	}
	return l.values()
}

// typesOnALine bounds the types of a queue that stand on one line.
const typesOnALine = 3

// typesOn lists the names of the tasks that the package sends to a queue.
func (f *file) typesOn(queue string) []jen.Code {
	var names []jen.Code
	for i := range f.pkg.Tasks {
		if t := &f.pkg.Tasks[i]; t.Queue == queue {
			names = append(names, jen.Id(typeName(t)))
		}
	}
	return names
}

// types is []string{TypeWelcome, TypeReport}.
func (f *file) types(names []jen.Code) *jen.Statement {
	list := literal{fields: names}
	if len(names) > typesOnALine {
		return jen.Index().Add(f.predeclared("string")).Add(list.values())
	}
	return jen.Index().Add(f.predeclared("string")).Add(list.inline())
}
