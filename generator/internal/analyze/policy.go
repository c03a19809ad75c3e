package analyze

import (
	"cmp"
	"time"

	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// queue makes the model of a //taskgen:queue.
func queue(d *directive.Directive) model.Queue {
	q := model.Queue{Pos: d.Span.Pos, Places: make(model.Places)}
	note(q.Places, d)
	q.Name, _ = directive.Value[string](d, "name")
	q.Type, _ = directive.Value[string](d, "type")
	q.Levels, _ = directive.Value[int](d, "levels")
	q.Visibility, _ = directive.Value[time.Duration](d, "visibility")
	q.MaxDeliveries, _ = directive.Value[int](d, "max_deliveries")
	q.DLQ, _ = directive.Value[string](d, "dlq")
	q.Retention, _ = directive.Value[time.Duration](d, "retention")
	if unknown, ok := directive.Value[time.Duration](d, "unknown"); ok {
		q.Unknown = cmp.Or(unknown, model.AtOnce)
	}
	return q
}

// schedules makes the model of //taskgen:schedules, or nil when it is not given.
func schedules(d *directive.Directive) *model.Schedules {
	if d == nil {
		return nil
	}
	m := &model.Schedules{Places: make(model.Places)}
	note(m.Places, d)
	m.Owner, _ = directive.Value[string](d, "owner")
	m.Aliases, _ = directive.Value[[]string](d, "aliases")
	return m
}

// outputs makes the models of a //taskgen:output.
func outputs(d *directive.Directive) []model.Output {
	var all []model.Output
	for _, a := range d.Args {
		if path, ok := a.Value.(string); ok {
			all = append(all, model.Output{Format: a.Key.Name, Path: path, Place: a.Span})
		}
	}
	return all
}

// note records the positions of a directive and its options. Recorded positions stay:
// they were nearer.
func note(places model.Places, d *directive.Directive) {
	if d == nil {
		return
	}
	put := func(name string, at model.Span) {
		if _, ok := places[name]; !ok {
			places[name] = at
		}
	}
	put(d.Spec.Name, d.Span)
	for _, a := range d.Args {
		put(d.Spec.Name+"."+a.Key.Name, a.Span)
	}
}

// inherited returns the value of a key out of the first directive that has it.
func inherited[T any](key string, ds ...*directive.Directive) T {
	for _, d := range ds {
		if d.Arg(key) != nil {
			v, _ := directive.Value[T](d, key)
			return v
		}
	}
	var zero T
	return zero
}

// policies fills in the policies of a task from its directives.
func (b *builder) policies(t *directive.Type, m *model.Task) {
	own, def := t.Get("task"), b.found.Get("defaults")
	note(m.Places, own)
	if def != nil {
		for _, a := range def.Args {
			if _, ok := m.Places["task."+a.Key.Name]; !ok {
				m.Places["task."+a.Key.Name] = a.Span
			}
		}
	}
	if name, ok := directive.Value[string](own, "name"); ok {
		m.Type = name
	}
	m.Aliases, _ = directive.Value[[]string](own, "aliases")
	m.Queue = inherited[string]("queue", own, def)
	m.Timeout = inherited[time.Duration]("timeout", own, def)
	m.Priority = inherited[int]("priority", own, def)
	m.Concurrency = inherited[int]("concurrency", own, def)
	m.Rate = inherited[model.Rate]("rate", own, def)
	m.Retention = b.retention(own, def)
	m.Schedulable = own.Arg("schedulable") != nil || def.Arg("schedulable") != nil
	m.Retry = b.retry(m.Places, t.Get("retry"), b.found.Get("retry"))
	if d := t.Get("unique"); d != nil {
		note(m.Places, d)
		m.Unique = &model.Unique{}
		m.Unique.By, _ = directive.Value[[]string](d, "by")
		m.Unique.Within, _ = directive.Value[time.Duration](d, "within")
	}
	for _, d := range t.All("schedule") {
		m.Schedules = append(m.Schedules, schedule(d))
	}
}

// schedule makes the model of a //taskgen:schedule.
func schedule(d *directive.Directive) model.Schedule {
	s := model.Schedule{Pos: d.Span.Pos, Places: make(model.Places)}
	note(s.Places, d)
	s.Name, _ = directive.Value[string](d, "name")
	s.Aliases, _ = directive.Value[[]string](d, "aliases")
	s.Cron, _ = directive.Value[string](d, "cron")
	s.TZ, _ = directive.Value[string](d, "tz")
	s.Overlap, _ = directive.Value[string](d, "overlap")
	s.Missed, _ = directive.Value[string](d, "missed")
	s.Jitter, _ = directive.Value[time.Duration](d, "jitter")
	s.Payload, _ = directive.Value[string](d, "payload")
	return s
}

// retention is how long the result of a task is kept. Tasks without a result inherit no
// retention, and must not set one.
func (b *builder) retention(own, def *directive.Directive) time.Duration {
	if own.Arg("result") != nil {
		return inherited[time.Duration]("retention", own, def)
	}
	if a := own.Arg("retention"); a != nil {
		b.report(rule.TaskRetention.At(a.Span, "", "retention=%s: the task has no result= to keep", a.Text))
	}
	return 0
}

// retry merges the policy of a task with that of its package, key by key.
func (b *builder) retry(places model.Places, own, pkg *directive.Directive) model.Retry {
	b.checkRetry(own)
	if own.Arg("none") != nil {
		pkg = nil
	}
	note(places, own)
	note(places, pkg)
	if own.Arg("none") != nil || own == nil && pkg.Arg("none") != nil || own == nil && pkg == nil {
		return model.Retry{}
	}
	if pkg.Arg("none") != nil {
		pkg = nil
	}
	if own.Arg("max") == nil && pkg.Arg("max") == nil {
		at := places.Of("retry")
		b.report(rule.KeyMissing.At(at, "add max=… or write //taskgen:retry none", "//taskgen:retry needs max="))
	}
	r := model.Retry{
		Max:     inherited[int]("max", own, pkg),
		Backoff: inherited[string]("backoff", own, pkg),
		Base:    inherited[time.Duration]("base", own, pkg),
		Cap:     inherited[time.Duration]("cap", own, pkg),
		Factor:  inherited[float64]("factor", own, pkg),
		Jitter:  inherited[float64]("jitter", own, pkg),
	}
	if own.Arg("factor") == nil && r.Backoff != "" && r.Backoff != "exponential" {
		r.Factor = 0 // inherited for another backoff
	}
	return r
}

// checkRetry reports incompatible options of one directive.
func (b *builder) checkRetry(d *directive.Directive) {
	if d == nil {
		return
	}
	if none := d.Arg("none"); none != nil && len(d.Args) > 1 {
		b.report(rule.RetryConflict.At(none.Span, "remove none, or all other options", "none is combined with other options"))
	}
	backoff, ok := directive.Value[string](d, "backoff")
	if factor := d.Arg("factor"); factor != nil && ok && backoff != "exponential" {
		b.report(rule.RetryConflict.At(factor.Span, "remove factor, or write backoff=exponential", "factor has no effect on a %s backoff", backoff))
	}
}
