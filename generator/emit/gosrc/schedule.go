package gosrc

import (
	"strconv"

	"github.com/taskgen/taskgen/generator/model"
)

// declaredPrefix comes before a task's wire name in the ID of its declared job.
// Package schedule has the same: the golden case of schedules holds them together.
const declaredPrefix = "schedule#"

// jobs writes what a task that may be scheduled has.
func (f *file) jobs(t *model.Task, w words) {
	if !t.Jobs() {
		return
	}
	if t.Schedule != nil {
		w["id"] = strconv.Quote(declaredPrefix + t.Type)
		f.declare(doc(w["JobID"]+" is the ID of the job that RegisterSchedules declares for "+t.Struct+"."), `
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

// schedules writes the registration of what the package's annotations schedule.
// Where they schedule nothing any more it cancels what they did.
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

// registerOptions are the options given, and the owners of old.
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

// declarations is []schedule.Declaration{…}, or nil when there are none.
func (f *file) declarations() string {
	var declared list
	for i := range f.pkg.Tasks {
		t := &f.pkg.Tasks[i]
		if t.Schedule == nil {
			continue
		}
		overlap := "AllowOverlap"
		if t.Schedule.Overlap == "skip" {
			overlap = "SkipOverlap"
		}
		declared.add(f.expand("$schedule.Recurring($schedule.Cron($cron, $zone), $schedule.$overlap, &$Spec)", words{
			"cron": strconv.Quote(t.Schedule.Cron), "zone": strconv.Quote(t.Schedule.TZ), "overlap": overlap, "Spec": specName(t),
		}))
	}
	if len(declared) == 0 {
		return "nil"
	}
	return f.expand("[]$schedule.Declaration", nil) + indent(declared.text())
}
