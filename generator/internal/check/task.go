package check

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
	"github.com/taskgen/taskgen/internal/crontab"
)

// order: a group on a queue that keeps order, and there only.
func (c *checker) order(t *model.Task) {
	groups := slices.DeleteFunc(t.All(), func(f *model.Field) bool { return !f.Group })
	q := c.queue(t.Queue)
	if len(groups) == 0 {
		if q != nil && q.Type == "fifo" {
			c.report(rule.GroupMissing, place(t, "task"), "", "%s goes to the fifo queue %s and has no field tagged group", t.Struct, q.Name)
		}
		return
	}
	for _, f := range groups[1:] {
		d := c.report(rule.GroupTwice, place(t, "field."+f.Name+".group"), "", "fields %s and %s of %s are both tagged group", groups[0].Name, f.Name, t.Struct)
		*d = rule.Related(*d, groups[0].Pos, "the other one")
	}
	f := groups[0]
	at := place(t, "field."+f.Name+".group")
	if !keyable(f.Type) {
		c.report(rule.GroupType, at, "", "field %s of %s is tagged group and is neither a string nor an integer", f.Name, t.Struct)
	}
	if f.Secret {
		c.report(rule.GroupSecret, at, "", "field %s of %s is tagged group and secret", f.Name, t.Struct)
	}
	if q != nil && q.Type != "fifo" {
		d := c.report(rule.GroupUnordered, at, "", "field %s of %s is tagged group, and queue %s keeps no order", f.Name, t.Struct, q.Name)
		*d = rule.Related(*d, q.Pos, "queue %s is of type %s", q.Name, orStandard(q.Type))
	}
}

// basicName is the predeclared type that a type is or is derived from, or "".
func basicName(t model.Type) string {
	if t.Kind == model.Basic {
		return t.Name
	}
	return t.BasicName
}

func keyable(t model.Type) bool {
	name := basicName(t)
	return name == "string" || name == "byte" || name == "rune" ||
		(strings.HasPrefix(name, "int") || strings.HasPrefix(name, "uint")) && name != "uintptr"
}

// priority: a level that the queue has.
func (c *checker) priority(t *model.Task) {
	q := c.queue(t.Queue)
	if t.Priority == 0 || q == nil {
		return
	}
	at := place(t, "task.priority")
	if q.Type != "priority" {
		d := c.report(rule.TaskPriority, at, "", "%s has a priority, and queue %s is of type %s", t.Struct, q.Name, orStandard(q.Type))
		*d = rule.Related(*d, q.Pos, "queue %s", q.Name)
		return
	}
	levels := q.Levels
	if levels == 0 {
		levels = defaultLevels
	}
	if t.Priority >= levels {
		d := c.report(rule.TaskPriority, at, "", "priority=%d: queue %s has the levels 0 to %d", t.Priority, q.Name, levels-1)
		*d = rule.Related(*d, q.Pos, "queue %s", q.Name)
	}
}

// required: on fields whose zero value can be distinguished from a set value.
func (c *checker) required(t *model.Task) {
	for _, f := range t.All() {
		if !f.Required {
			continue
		}
		at := place(t, "field."+f.Name+".required")
		kind := f.Type.Kind
		if kind == model.Named {
			kind = f.Type.Underlying
		}
		switch {
		case basicName(f.Type) == "bool":
			c.report(rule.RequiredType, at, "make it a *bool, or remove the tag", "field %s of %s is required, and false is a value of a bool", f.Name, t.Struct)
		case (kind == model.Struct || kind == model.Array) && !f.Type.Comparable && !f.Type.IsZero:
			c.report(rule.RequiredType, at, "", "field %s of %s is required, and its type has no test for zero", f.Name, t.Struct)
		}
	}
}

// Defaults of the runtime that rules here depend on.
const (
	defaultLevels        = model.DefaultLevels
	defaultVisibility    = model.DefaultVisibility
	defaultMaxDeliveries = model.DefaultMaxDeliveries
	defaultUnknown       = model.DefaultUnknown
	defaultRetryBase     = model.DefaultRetryBase
	defaultRetryCap      = model.DefaultRetryCap
)

// retry: the longest delay is no shorter than the first.
func (c *checker) retry(t *model.Task) {
	r := t.Retry
	if r.Max == 0 {
		return
	}
	base, last := r.Base, r.Cap
	if base == 0 {
		base = defaultRetryBase
	}
	if last == 0 {
		last = defaultRetryCap
	}
	if base <= last {
		return
	}
	c.report(rule.RetryConflict, place(t, "retry.cap", "retry.base"), "write both base= and cap=, the cap the longer one",
		"the longest delay of a retry (cap, %s) is shorter than the first (base, %s)", last, base)
}

// unique: by fields that exist, and that may be guessed from the key.
func (c *checker) unique(t *model.Task) {
	if t.Unique == nil {
		return
	}
	at := place(t, "unique.by")
	var known []string
	byName := make(map[string]*model.Field)
	for _, f := range slices.Backward(t.All()) { // the task's own fields win
		byName[f.Name] = f
	}
	for _, f := range t.All() {
		if f.JSON != "" {
			known = append(known, f.Name)
		}
	}
	for _, name := range t.Unique.By {
		f := byName[name]
		switch {
		case f == nil:
			c.report(rule.UniqueField, at, rule.DidYouMean(name, known), "%s has no field %s", t.Struct, name)
		case f.JSON == "":
			c.report(rule.UniqueField, at, "name a field of the message", "field %s of %s is not in the message under its own name", name, t.Struct)
		case f.Indirect:
			c.report(rule.UniqueField, at, "embed the struct itself, or name another field", "%s has field %s from an embedded pointer to a struct: the pointer may be nil", t.Struct, name)
		case t.HoldsSecret(f):
			c.report(rule.UniqueSecret, at, "", "%s is unique by %s, which is or holds a secret", t.Struct, name)
		}
	}
}

// schedules: each fires, in a zone that exists, and has what the task needs.
func (c *checker) schedules(t *model.Task) {
	c.scheduleNames(t)
	for i := range t.Schedules {
		c.schedule(t, &t.Schedules[i])
	}
}

// scheduleNames: the names that distinguish the jobs of a task.
func (c *checker) scheduleNames(t *model.Task) {
	type owner struct {
		s  *model.Schedule
		at model.Span
	}
	names, constants := make(map[string]owner), make(map[string]owner)
	for i := range t.Schedules {
		s := &t.Schedules[i]
		own := owner{s, s.Places.Of("schedule.name", "schedule")}
		if _, given := s.Places["schedule.name"]; given && s.Name == "" {
			continue // it is in error
		}
		for j, name := range append([]string{s.Name}, s.Aliases...) {
			at := own.at
			if j > 0 {
				at = s.Places.Of("schedule.aliases")
			}
			first, ok := names[name]
			switch {
			case !ok:
				names[name] = owner{s, at}
			case first.s == s:
				c.report(rule.ScheduleName, at, "remove the alias", "%s is the name of the schedule already", name)
			case name == "":
				d := c.report(rule.ScheduleName, at, "add name=", "two schedules of %s have no name", t.Struct)
				*d = rule.Related(*d, first.at.Pos, "the other one")
			default:
				d := c.report(rule.ScheduleName, at, "", "%s is a name of two schedules of %s", name, t.Struct)
				*d = rule.Related(*d, first.at.Pos, "the other one")
			}
		}
		id := s.JobID(t)
		first, ok := constants[id]
		if ok && first.s.Name != s.Name {
			d := c.report(rule.ScheduleName, own.at, "", "%s would be generated for two schedules of %s", t.Name(id), t.Struct)
			*d = rule.Related(*d, first.at.Pos, "the other one")
		} else if !ok {
			constants[id] = own
		}
	}
}

func (c *checker) schedule(t *model.Task, s *model.Schedule) {
	c.payload(t, s)
	if s.Overlap == "skip" && t.Unique != nil {
		c.report(rule.ScheduleOverlap, s.Places.Of("schedule.overlap"), "", "%s skips overlaps and is unique", t.Struct)
	}
	c.limits(s.Places, []limit{{"schedule.jitter", s.Jitter}})
	if s.TZ != "" {
		if _, err := crontab.Zone(s.TZ); err != nil {
			c.report(rule.ScheduleZone, s.Places.Of("schedule.tz"), "", "there is no time zone %q", s.TZ)
		}
	}
	if s.Cron == "" {
		return
	}
	at := s.Places.Of("schedule.cron")
	switch _, err := crontab.Parse(s.Cron, ""); {
	case errors.Is(err, crontab.ErrZoneInExpression):
		c.report(rule.ScheduleCron, at, "write the zone as tz=", "cron=%q holds a time zone", s.Cron)
	case errors.Is(err, crontab.ErrNever):
		c.report(rule.ScheduleCron, at, "name a day that the month has", "cron=%q never fires", s.Cron)
	case err != nil:
		c.report(rule.ScheduleCron, at, "", "%s", err)
	}
}

// payload: one that the task can be enqueued with.
func (c *checker) payload(t *model.Task, s *model.Schedule) {
	if at, given := s.Places["schedule.payload"]; given {
		if m := payloadMistake(t, s.Payload); s.Payload != "" && m != nil {
			c.report(rule.SchedulePayload, at, m.fix, "payload= of %s: %s", t.Struct, m.text)
		}
		return
	}
	for _, f := range t.All() {
		if f.Required || f.Group {
			c.report(rule.ScheduleZero, s.Places.Of("schedule"), "", "the schedule of %s enqueues its zero value, and %s may not be empty", t.Struct, f.Name)
		}
	}
}

// limit is a duration that an option requests.
type limit struct {
	option string
	d      time.Duration
}

func timeLimits(t *model.Task) []limit {
	all := []limit{
		{"task.timeout", t.Timeout},
		{"task.retention", t.Retention},
		{"retry.base", t.Retry.Base},
		{"retry.cap", t.Retry.Cap},
	}
	if t.Unique != nil {
		all = append(all, limit{"unique.within", t.Unique.Within})
	}
	return all
}

// longest is the longest time for which a provider may have to keep data: ten years.
const longest = 10 * 365 * 24 * time.Hour

// limits: no option exceeds the limits of every provider.
func (c *checker) limits(places model.Places, all []limit) {
	for _, l := range all {
		if l.d > longest {
			_, key, _ := strings.Cut(l.option, ".")
			c.report(rule.ProviderLimit, places.Of(l.option), "write at most ten years (3650d)", "%s is longer than any provider can keep data", key)
		}
	}
}

// shown: the methods that hide secrets can be generated.
func (c *checker) shown(h *model.Holder) {
	for _, name := range []string{"LogValue", "Format", "MarshalJSON"} {
		if slices.Contains(h.Fields, name) {
			c.report(rule.SecretShown, h.Places.Of("field."+name, "type"), "", "%s has secrets and a field called %s, so that there is no method %s to hide them", h.Name, name, name)
		}
	}
	for _, name := range h.Odd {
		c.report(rule.SecretShown, h.Places.Of("type"), "rename the method", "%s has secrets and a method %s with another signature, so that no generated method hides them", h.Name, name)
	}
	for _, name := range model.MarshalNames() {
		if pos, ok := c.p.Declared[name]; ok {
			d := c.report(rule.SecretShown, h.Places.Of("type"), "rename it", "%s has secrets and the package declares %s, so that there is no method MarshalJSON to hide them", h.Name, name)
			*d = rule.Related(*d, pos, "declared here")
		}
	}
}
