package gosrc

import (
	"cmp"
	"strconv"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// declaredID is the ID of a declared job. Package schedule makes the same: the golden
// cases of schedules check that they agree.
func declaredID(t *model.Task, s *model.Schedule) string {
	id := "schedule#" + t.Type
	if s.Name != "" {
		id += "#" + s.Name
	}
	return id
}

// jobs writes the functions of a task that may be scheduled.
func (f *file) jobs(t *model.Task, w words) {
	if !t.Jobs() {
		return
	}
	for i := range t.Schedules {
		s := &t.Schedules[i]
		w["JobID"], w["id"] = t.Name(s.JobID(t)), strconv.Quote(declaredID(t, s))
		named := ""
		if s.Name != "" {
			named = " under the name " + s.Name
		}
		f.declare(doc(w["JobID"]+" is the ID of the job that RegisterSchedules declares for "+t.Struct+named+"."), `
const $JobID $schedule.JobID = $id`, w)
	}
	f.params(w, "ctx", "in", "when", "task", "opts")
	f.declare(doc(w["Schedule"]+" schedules "+article(t.Struct)+" and returns the ID of the job. The job runs once or repeatedly, as "+w["when"]+" says."), `
func $Schedule($ctx $context.Context, $in $schedule.Scheduler, $when $schedule.When, $task $Struct, $opts ...$schedule.Option) ($schedule.JobID, $error) {
	return $schedule.Add($ctx, $in, $when, &$Spec, &$task, $opts...)
}`, w)
	f.params(w, "ctx", "in", "id", "task", "opts")
	f.declare(doc(w["Modify"]+" replaces the "+t.Struct+" of the job with the given ID. With "+f.imports[SchedulePath]+".WithWhen it also changes when the job runs."), `
func $Modify($ctx $context.Context, $in $schedule.Scheduler, $id $schedule.JobID, $task $Struct, $opts ...$schedule.Option) $error {
	return $schedule.ModifyPayload($ctx, $in, $id, &$Spec, &$task, $opts...)
}`, w)
}

// schedules writes the registration of the schedules in the package's annotations. If
// there are none any more, it cancels the earlier ones.
func (f *file) schedules() {
	if !f.pkg.Jobs() {
		return
	}
	w := words{"owner": strconv.Quote(f.pkg.Owner())}
	f.params(w, "ctx", "in", "opts")
	w["declarations"] = f.declarations()
	w["options"] = f.registerOptions(w)
	f.declare(doc("RegisterSchedules makes the scheduled jobs of this package match its annotations and returns what it changed. Every process may call it at startup."), `
func RegisterSchedules($ctx $context.Context, $in $schedule.Scheduler, $opts ...$schedule.RegisterOption) ($schedule.Changes, $error) {
	return $schedule.Declare($ctx, $in, $owner, $declarations, $options...)
}`, w)
}

// registerOptions are the given options, and the former owners.
func (f *file) registerOptions(w words) string {
	if f.pkg.Schedules == nil || len(f.pkg.Schedules.Aliases) == 0 {
		return w["opts"]
	}
	var names list
	for _, name := range f.pkg.Schedules.Aliases {
		names.add(strconv.Quote(name))
	}
	w["names"] = names.joined()
	return f.expand("append([]$schedule.RegisterOption{$schedule.OwnerAliases($names)}, $opts...)", w)
}

// declarations is []schedule.Declaration{…}, or nil if there are none.
func (f *file) declarations() string {
	var declared list
	for i := range f.pkg.Tasks {
		t := &f.pkg.Tasks[i]
		for j := range t.Schedules {
			declared.add(f.declaration(t, &t.Schedules[j]))
		}
	}
	if len(declared) == 0 {
		return "nil"
	}
	return f.expand("[]$schedule.Declaration", nil) + indent(declared.text())
}

var overlaps = map[string]string{"allow": "AllowOverlap", "skip": "SkipOverlap"}

var misses = map[string]string{"once": "FireOnce", "all": "FireAll", "skip": "FireNone"}

// declaration is the declaration of a schedule: on one line if it is a plain one.
func (f *file) declaration(t *model.Task, s *model.Schedule) string {
	w := words{"cron": strconv.Quote(s.Cron), "zone": strconv.Quote(s.TZ), "overlap": cmp.Or(overlaps[s.Overlap], "AllowOverlap"), "Spec": specName(t)}
	when := f.expand("$schedule.Cron($cron, $zone)", w)
	if s.Name == "" && len(s.Aliases) == 0 && s.Missed == "" && s.Jitter == 0 && s.Payload == "" {
		w["when"] = when
		return f.expand("$schedule.Recurring($when, $schedule.$overlap, &$Spec)", w)
	}
	var l literal
	l.set("When", when)
	if s.Name != "" {
		l.set("Name", strconv.Quote(s.Name))
	}
	if len(s.Aliases) > 0 {
		l.set("Aliases", f.strings(s.Aliases))
	}
	if name, ok := overlaps[s.Overlap]; ok {
		l.set("Overlap", f.expand("$schedule.", nil)+name)
	}
	if name, ok := misses[s.Missed]; ok {
		l.set("Missed", f.expand("$schedule.", nil)+name)
	}
	if s.Jitter != 0 {
		l.set("Jitter", f.duration(s.Jitter))
	}
	if s.Payload != "" {
		l.set("Payload", rawString(s.Payload))
	}
	w["fields"] = l.text()
	return f.expand("$schedule.RecurringWith($schedule.Recurrence$fields, &$Spec)", w)
}
