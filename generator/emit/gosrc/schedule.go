package gosrc

import (
	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// declaredPrefix comes before a task's wire name in the ID of its declared job.
// Package schedule has the same: the golden case of schedules holds them together.
const declaredPrefix = "schedule#"

// jobs writes what a task that may be scheduled has.
func (f *file) jobs(t *model.Task) {
	if !t.Jobs() {
		return
	}
	if t.Schedule != nil {
		f.declare(
			doc(jobIDName(t)+" is the ID of the job that RegisterSchedules declares for "+t.Struct+"."),
			// const TidyJobID schedule.JobID = "schedule#tidy"
			jen.Const().Id(jobIDName(t)).Qual(SchedulePath, "JobID").Op("=").Lit(declaredPrefix+t.Type),
		)
	}
	f.schedule(t)
	f.modify(t)
}

func (f *file) schedule(t *model.Task) {
	p := f.params("ctx", "in", "when", "task", "opts")
	ctx, in, when, task, opts := p[0], p[1], p[2], p[3], p[4]
	f.declare(
		doc(scheduleName(t)+" schedules "+article(t.Struct)+" and returns the ID of the job. The job runs once or repeatedly, as "+when+" says."),
		// func ScheduleEmbedding(ctx context.Context, in schedule.Scheduler, when schedule.When, task EmbeddingTask, opts ...schedule.Option) (schedule.JobID, error)
		jen.Func().Id(scheduleName(t)).Params(
			jen.Id(ctx).Qual("context", "Context"),
			jen.Id(in).Qual(SchedulePath, "Scheduler"),
			jen.Id(when).Qual(SchedulePath, "When"),
			jen.Id(task).Id(t.Struct),
			jen.Id(opts).Op("...").Qual(SchedulePath, "Option"),
		).Params(jen.Qual(SchedulePath, "JobID"), f.predeclared("error")).Block(
			// return schedule.Add(ctx, in, when, &EmbeddingSpec, &task, opts...)
			jen.Return(jen.Qual(SchedulePath, "Add").Call(
				jen.Id(ctx), jen.Id(in), jen.Id(when), jen.Op("&").Id(specName(t)), jen.Op("&").Id(task), jen.Id(opts).Op("..."),
			)),
		),
	)
}

func (f *file) modify(t *model.Task) {
	p := f.params("ctx", "in", "id", "task", "opts")
	ctx, in, id, task, opts := p[0], p[1], p[2], p[3], p[4]
	f.declare(
		doc(modifyName(t)+" replaces the "+t.Struct+" of the job with the given ID. With "+f.imports[SchedulePath]+".WithWhen it also changes when the job runs."),
		// func ModifyEmbedding(ctx context.Context, in schedule.Scheduler, id schedule.JobID, task EmbeddingTask, opts ...schedule.Option) error
		jen.Func().Id(modifyName(t)).Params(
			jen.Id(ctx).Qual("context", "Context"),
			jen.Id(in).Qual(SchedulePath, "Scheduler"),
			jen.Id(id).Qual(SchedulePath, "JobID"),
			jen.Id(task).Id(t.Struct),
			jen.Id(opts).Op("...").Qual(SchedulePath, "Option"),
		).Add(f.predeclared("error")).Block(
			// return schedule.ModifyPayload(ctx, in, id, &EmbeddingSpec, &task, opts...)
			jen.Return(jen.Qual(SchedulePath, "ModifyPayload").Call(
				jen.Id(ctx), jen.Id(in), jen.Id(id), jen.Op("&").Id(specName(t)), jen.Op("&").Id(task), jen.Id(opts).Op("..."),
			)),
		),
	)
}

// schedules writes the registration of what the package's annotations schedule.
// Where they schedule nothing any more it cancels what they did.
func (f *file) schedules() {
	if !f.pkg.Jobs() {
		return
	}
	p := f.params("ctx", "in", "opts")
	ctx, in, opts := p[0], p[1], p[2]
	f.declare(
		doc("RegisterSchedules makes the scheduled jobs of this package match its annotations and returns what it changed. Every process may call it at startup."),
		// func RegisterSchedules(ctx context.Context, in schedule.Scheduler, opts ...schedule.RegisterOption) (schedule.Changes, error)
		jen.Func().Id("RegisterSchedules").Params(
			jen.Id(ctx).Qual("context", "Context"),
			jen.Id(in).Qual(SchedulePath, "Scheduler"),
			jen.Id(opts).Op("...").Qual(SchedulePath, "RegisterOption"),
		).Params(jen.Qual(SchedulePath, "Changes"), f.predeclared("error")).Block(
			// return schedule.Declare(ctx, in, "example.com/shop/tasks", []schedule.Declaration{…}, opts...)
			jen.Return(jen.Qual(SchedulePath, "Declare").Call(
				jen.Id(ctx), jen.Id(in), jen.Lit(f.pkg.Owner()), f.declarations(), f.registerOptions(opts).Op("..."),
			)),
		),
	)
}

// registerOptions are the options given, and the owners of old.
func (f *file) registerOptions(opts string) *jen.Statement {
	if f.pkg.Schedules == nil || len(f.pkg.Schedules.Aliases) == 0 {
		return jen.Id(opts)
	}
	var names []jen.Code
	for _, name := range f.pkg.Schedules.Aliases {
		names = append(names, jen.Lit(name))
	}
	// append([]schedule.RegisterOption{schedule.OwnerAliases("example.com/old/tasks")}, opts...)
	return jen.Append(
		jen.Index().Qual(SchedulePath, "RegisterOption").Values(jen.Qual(SchedulePath, "OwnerAliases").Call(names...)),
		jen.Id(opts).Op("..."),
	)
}

// declarations is []schedule.Declaration{…}, or nil when there are none.
func (f *file) declarations() *jen.Statement {
	declared := literal{}
	for i := range f.pkg.Tasks {
		t := &f.pkg.Tasks[i]
		if t.Schedule == nil {
			continue
		}
		overlap := "AllowOverlap"
		if t.Schedule.Overlap == "skip" {
			overlap = "SkipOverlap"
		}
		// schedule.Recurring(schedule.Cron("0 6 * * *", "Europe/Berlin"), schedule.SkipOverlap, &ReportSpec)
		declared.fields = append(declared.fields, jen.Qual(SchedulePath, "Recurring").Call(
			jen.Qual(SchedulePath, "Cron").Call(jen.Lit(t.Schedule.Cron), jen.Lit(t.Schedule.TZ)),
			jen.Qual(SchedulePath, overlap), jen.Op("&").Id(specName(t)),
		))
	}
	if len(declared.fields) == 0 {
		return jen.Nil()
	}
	return jen.Index().Qual(SchedulePath, "Declaration").Add(declared.values())
}
