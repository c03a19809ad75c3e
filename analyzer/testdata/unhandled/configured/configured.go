package main // want package:"enqueues tasks.AuditSpec enqueues tasks.MailSpec handles tasks.NewsSpec pool"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	c := new(config.Config)
	program, err := c.Build(context.Background(), config.Code{
		Queues:   tasks.Queues(),
		Handlers: func(r *runtime.Router) { tasks.RegisterNews(r, nil) },
	})
	if err != nil {
		panic(err)
	}
	mail := tasks.MailTask{}
	_, _ = runtime.Enqueue(context.Background(), program.Manager, &tasks.MailSpec, &mail) // want `tasks.MailTask is enqueued here`
	_, _ = tasks.EnqueueAudit(context.Background(), program.Manager, tasks.AuditTask{})
}
