package gosrc

import (
	"strconv"
	"time"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// wireNames writes the constants that identify tasks on the wire.
func (f *file) wireNames() {
	var names group
	for i := range f.pkg.Tasks {
		names.add(typeName(&f.pkg.Tasks[i]), "= "+strconv.Quote(f.pkg.Tasks[i].Type))
	}
	switch len(names) {
	case 0:
	case 1:
		f.declare(doc(typeName(&f.pkg.Tasks[0])+" is the wire name of "+f.pkg.Tasks[0].Struct+"."), `
const $name $value`, words{"name": names[0][0], "value": names[0][1]})
	default:
		f.declare(doc("The wire names of the tasks."), `
const $names`, words{"names": names.text()})
	}
}

// spec writes the variable that describes a task completely.
func (f *file) spec(t *model.Task, w words) {
	var l literal
	l.set("Type", w["Type"])
	if len(t.Aliases) > 0 {
		l.set("Aliases", f.strings(t.Aliases))
	}
	l.set("Queue", strconv.Quote(t.Queue))
	if t.Timeout != 0 {
		l.set("Timeout", f.duration(t.Timeout))
	}
	if t.Priority != 0 {
		l.set("Priority", strconv.Itoa(t.Priority))
	}
	if t.Retry != (model.Retry{}) {
		l.set("Retry", f.retry(&t.Retry))
	}
	if t.Unique != nil {
		l.set("UniqueKey", f.uniqueKey(t, w))
		if t.Unique.Within != 0 {
			l.set("UniqueFor", f.duration(t.Unique.Within))
		}
		l.set("UniqueBy", f.strings(t.UniqueMembers()))
	}
	if g := t.Group(); g != nil {
		l.set("GroupKey", f.groupKey(g, w))
		l.set("GroupBy", strconv.Quote(g.JSON))
	}
	if len(t.Required()) > 0 {
		l.set("Validate", f.validate(t, w))
		l.set("Required", f.strings(t.RequiredMembers()))
	}
	if hasSecrets(t) {
		l.set("Secrets", f.strings(t.Secrets))
		if h := f.holderOf(t); f.pkg.HidesJSON(&h) {
			l.set("Plain", f.plainFunc(t))
		}
	}
	if t.Concurrency != 0 {
		l.set("Concurrency", strconv.Itoa(t.Concurrency))
	}
	if t.Rate != (model.Rate{}) {
		var rate literal
		rate.set("Limit", strconv.Itoa(t.Rate.Limit))
		rate.set("Per", f.duration(t.Rate.Per))
		l.set("Rate", f.expand("$runtime.Rate", nil)+rate.inline())
	}
	if t.Retention != 0 {
		l.set("Retention", f.duration(t.Retention))
	}
	if t.Form != "" {
		l.set("Shape", strconv.Quote(t.Form))
	}
	if len(t.Reads) > 0 {
		l.set("Reads", f.strings(t.Reads))
	}
	l.raw("Schema", f.schema(t))
	w["fields"] = l.text()
	f.declare(doc(w["Spec"]+" describes "+t.Struct+" to the runtime: its name, its queue, its limits and the schema of its payload."), `
var $Spec = $runtime.Spec[$Struct]$fields`, w)
}

// strings is []string{"a", "b"}.
func (f *file) strings(values []string) string {
	var l list
	for _, v := range values {
		l.add(strconv.Quote(v))
	}
	return f.expand("[]$string", nil) + l.inline()
}

var backoffs = map[string]string{"constant": "Constant", "linear": "Linear", "exponential": "Exponential"}

// retry is runtime.RetryPolicy{…}.
func (f *file) retry(r *model.Retry) string {
	var l literal
	l.set("Max", strconv.Itoa(r.Max))
	if name, ok := backoffs[r.Backoff]; ok {
		l.set("Backoff", f.expand("$runtime.", nil)+name)
	}
	if r.Base != 0 {
		l.set("Base", f.duration(r.Base))
	}
	if r.Cap != 0 {
		l.set("Cap", f.duration(r.Cap))
	}
	if r.Factor != 0 {
		l.set("Factor", number(r.Factor))
	}
	if r.Jitter != 0 {
		l.set("Jitter", number(r.Jitter))
	}
	value := l.text()
	if len(l.fields) == 1 {
		value = l.inline()
	}
	return f.expand("$runtime.RetryPolicy", nil) + value
}

// uniqueKey is a function that makes a key of the fields of by=.
func (f *file) uniqueKey(t *model.Task, w words) string {
	f.params(w, "task")
	var l list
	for _, field := range t.Unique.By {
		l.add("&" + w["task"] + "." + field)
	}
	w["parts"] = l.joined()
	return f.expand(`func($task *$Struct) $string {
	return $runtime.KeyOf($parts)
}`, w)
}

// groupKey is a function that makes text of the field tagged group, a string or an
// integer.
func (f *file) groupKey(g *model.Field, w words) string {
	f.params(w, "task")
	w["Field"] = g.Name
	key := `$fmt.Sprintf("%d", $task.$Field)`
	switch {
	case g.Type.Kind == model.Basic && g.Type.Name == "string":
		key = `$task.$Field`
	case g.Type.BasicName == "string":
		key = `$string($task.$Field)`
	}
	return f.expand(`func($task *$Struct) $string {
	return `+key+`
}`, w)
}

// validate is a function that reports the first required field that is missing.
func (f *file) validate(t *model.Task, w words) string {
	f.params(w, "task")
	fields := t.Required()
	cases := ""
	for _, field := range fields {
		w["missing"], w["json"] = f.zero(w["task"]+"."+field.Name, &field.Type), strconv.Quote(field.JSON)
		if len(fields) == 1 {
			return f.expand(`func($task *$Struct) $error {
	if $missing {
		return $generated.Missing($Type, $json)
	}
	return nil
}`, w)
		}
		cases += f.expand(`
	case $missing:
		return $generated.Missing($Type, $json)`, w)
	}
	w["cases"] = cases
	return f.expand(`func($task *$Struct) $error {
	switch {$cases
	}
	return nil
}`, w)
}

// usesTime reports whether the file prints a duration.
func usesTime(pkg *model.Package) bool {
	for i := range pkg.Queues {
		if pkg.Queues[i].Visibility|pkg.Queues[i].Retention != 0 {
			return true
		}
	}
	for i := range pkg.Tasks {
		t := &pkg.Tasks[i]
		var within time.Duration
		if t.Unique != nil {
			within = t.Unique.Within
		}
		for j := range t.Schedules {
			if t.Schedules[j].Jitter != 0 {
				return true
			}
		}
		if t.Timeout|t.Retry.Base|t.Retry.Cap|t.Rate.Per|t.Retention|within != 0 {
			return true
		}
	}
	return false
}
