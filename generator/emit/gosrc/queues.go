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
	if len(l.fields) <= 3 {
		return l.inline()
	}
	return l.values()
}
