package gosrc

import (
	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

func (f *file) schedule(t *model.Task) {
	p := f.params("ctx", "in", "when", "task", "opts")
	ctx, in, when, task, opts := p[0], p[1], p[2], p[3], p[4]
	f.declare(
		doc(scheduleName(t)+" has one "+t.Struct+" enqueued later, or again and again, and returns the ID of the job."),
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
		doc(modifyName(t)+" gives the job with the given ID another "+t.Struct+", and with schedule.WithWhen another time."),
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
// It is there without any, too: then it removes those of earlier versions.
func (f *file) schedules() {
	if len(f.pkg.Tasks) == 0 {
		return
	}
	p := f.params("ctx", "in", "opts")
	ctx, in, opts := p[0], p[1], p[2]
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
	jobs := jen.Nil()
	if len(declared.fields) > 0 {
		jobs = jen.Index().Qual(SchedulePath, "Declaration").Add(declared.values())
	}
	f.declare(
		doc("RegisterSchedules makes the jobs of "+in+" what the package's annotations say: it adds, changes and cancels those that differ, and says which. Every process may call it at its start."),
		// func RegisterSchedules(ctx context.Context, in schedule.Scheduler, opts ...schedule.RegisterOption) (schedule.Changes, error)
		jen.Func().Id("RegisterSchedules").Params(
			jen.Id(ctx).Qual("context", "Context"),
			jen.Id(in).Qual(SchedulePath, "Scheduler"),
			jen.Id(opts).Op("...").Qual(SchedulePath, "RegisterOption"),
		).Params(jen.Qual(SchedulePath, "Changes"), f.predeclared("error")).Block(
			// return schedule.Declare(ctx, in, "example.com/shop/tasks", []schedule.Declaration{…}, opts...)
			jen.Return(jen.Qual(SchedulePath, "Declare").Call(
				jen.Id(ctx), jen.Id(in), jen.Lit(f.pkg.Path), jobs, jen.Id(opts).Op("..."),
			)),
		),
	)
}
