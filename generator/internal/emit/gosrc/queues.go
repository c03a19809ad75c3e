package gosrc

import (
	"strconv"

	"github.com/taskgen/taskgen/generator/internal/model"
)

var queueTypes = map[string]string{"fifo": "FIFO", "priority": "Priority"}

// queues writes the topology: the queues that a provider creates or verifies.
func (f *file) queues() {
	if len(f.pkg.Queues) == 0 {
		return
	}
	var configs list
	for i := range f.pkg.Queues {
		configs.add(f.queue(&f.pkg.Queues[i]))
	}
	f.declare(doc("Queues lists the queues that the package declares, for Manager.Open."), `
func Queues() []$runtime.QueueConfig {
	return []$runtime.QueueConfig$configs
}`, words{"configs": indent(configs.text())})
}

// queue is {Name: "payments", Type: runtime.FIFO}: on one line if it is that short.
func (f *file) queue(q *model.Queue) string {
	var l literal
	l.set("Name", strconv.Quote(q.Name))
	if name, ok := queueTypes[q.Type]; ok {
		l.set("Type", f.expand("$runtime.", nil)+name)
	}
	if q.Levels != 0 {
		l.set("Levels", strconv.Itoa(q.Levels))
	}
	if q.Visibility != 0 {
		l.set("Visibility", f.duration(q.Visibility))
	}
	if q.MaxDeliveries != 0 {
		l.set("MaxDeliveries", strconv.Itoa(q.MaxDeliveries))
	}
	if q.DLQ != "" {
		l.set("DLQ", strconv.Quote(q.DLQ))
	}
	if q.Retention != 0 {
		l.set("Retention", f.duration(q.Retention))
	}
	switch {
	case q.Unknown == model.AtOnce:
		l.set("Unknown", f.expand("$runtime.", nil)+"BuryUnknown")
	case q.Unknown != 0:
		l.set("Unknown", f.duration(q.Unknown))
	}
	types := f.typesOn(q.Name)
	if len(types) > 0 {
		l.set("Types", f.types(types))
	}
	if len(l.fields) <= 3 && len(types) <= typesOnALine {
		return l.inline()
	}
	return l.text()
}

// typesOnALine is how many types of a queue are written on one line at most.
const typesOnALine = 3

// typesOn lists the names of the tasks that the package sends to a queue.
func (f *file) typesOn(queue string) list {
	var names list
	for i := range f.pkg.Tasks {
		if t := &f.pkg.Tasks[i]; t.Queue == queue {
			names.add(typeName(t))
		}
	}
	return names
}

// types is []string{TypeWelcome, TypeReport}.
func (f *file) types(names list) string {
	if len(names) > typesOnALine {
		return f.expand("[]$string", nil) + names.text()
	}
	return f.expand("[]$string", nil) + names.inline()
}
