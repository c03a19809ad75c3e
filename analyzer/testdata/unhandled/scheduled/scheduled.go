package main // want package:"enqueues tasks.AuditSpec handles tasks.NewsSpec pool pool"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	c := new(config.Config)
	program, err := c.Build(context.Background(), config.Code{
		Queues:    tasks.Queues(),
		Handlers:  func(r *runtime.Router) { tasks.RegisterNews(r, nil) },
		Schedules: []config.Schedules{tasks.RegisterSchedules}, // want `tasks.AuditTask is enqueued here`
	})
	if err != nil {
		panic(err)
	}
	_, _ = runtime.NewPool(program.Manager, runtime.NewRouter(), runtime.PoolConfig{Queues: []runtime.PoolQueue{{Name: "audits"}}})
}
