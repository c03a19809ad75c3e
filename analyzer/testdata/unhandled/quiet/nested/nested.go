package main // want package:"enqueues tasks.MailSpec handles tasks.MailSpec pool"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	c := new(config.Config)
	program, err := c.Build(context.Background(), config.Code{
		Queues: tasks.Queues(),
		Handlers: func(r *runtime.Router) {
			runtime.Register(r, &tasks.MailSpec, func(context.Context, tasks.MailTask) error { return nil })
		},
	})
	if err != nil {
		panic(err)
	}
	_, _ = tasks.EnqueueMail(context.Background(), program.Manager, tasks.MailTask{})
}
