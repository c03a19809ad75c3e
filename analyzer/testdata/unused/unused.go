package unused

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/analyzer/testdata/other"
	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
)

func functions(ctx context.Context, m *runtime.Manager, s schedule.Scheduler) {
	tasks.EnqueueMail(ctx, m, tasks.MailTask{})              // want `the error of tasks.EnqueueMail is ignored, and with it that the task may not be on its queue: return it, or log it`
	_, _ = tasks.EnqueueMail(ctx, m, tasks.MailTask{})       // want `tasks.EnqueueMail is ignored`
	go tasks.EnqueueMail(ctx, m, tasks.MailTask{})           // want `tasks.EnqueueMail is ignored.*: call it in a function that returns or logs its error`
	defer tasks.EnqueueMail(ctx, m, tasks.MailTask{})        // want `tasks.EnqueueMail is ignored.*: call it in a function`
	answer, _ := tasks.EnqueueMail(ctx, m, tasks.MailTask{}) // want `tasks.EnqueueMail is ignored`
	println(answer.ID)
	go func() {
		tasks.EnqueueMailBatch(ctx, m, nil) // want `some of the tasks may not be on their queue`
	}()
	tasks.ScheduleMail(ctx, s, schedule.In(time.Hour), tasks.MailTask{}) // want `the job may not be scheduled`
	_ = tasks.ModifyMail(ctx, s, "id", tasks.MailTask{})                 // want `the job may be as it was`
	tasks.RegisterSchedules(ctx, s)                                      // want `the jobs may not be scheduled`
	runtime.Enqueue(ctx, m, &tasks.MailSpec, &tasks.MailTask{})          // want `runtime.Enqueue is ignored`
}

func methods(ctx context.Context, m *runtime.Manager, s *schedule.Service, to runtime.Enqueuer, c driver.Canceller) {
	m.Enqueue(ctx, nil)             // want `Manager.Enqueue is ignored, and with it that the tasks may not be on their queues`
	to.Enqueue(ctx, nil)            // want `driver.Enqueuer.Enqueue is ignored`
	s.Cancel(ctx, "id")             // want `the error of schedule.Service.Cancel is ignored, and with it that nothing may have changed`
	s.Schedule(ctx, schedule.Job{}) // want `schedule.Service.Schedule is ignored`
	c.Cancel(ctx, nil)              // want `driver.Canceller.Cancel is ignored`
}

func used(ctx context.Context, m *runtime.Manager, p *runtime.Pool, q other.Queue) error {
	p.Cancel("id")
	q.Enqueue(ctx, nil)
	_, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{})
	if err != nil {
		return err
	}
	other.EnqueueMail(ctx, "", other.MailTask{})
	other.EnqueuePing(ctx, m, "")
	go func() {
		if _, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{}); err != nil {
			println(err.Error())
		}
	}()
	if err := m.Delete(ctx, "q"); err != nil {
		return err
	}
	_, err = tasks.EnqueueMailBatch(ctx, m, nil)
	return err
}
