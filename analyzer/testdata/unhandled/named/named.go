package main // want package:"enqueues tasks.AuditSpec enqueues tasks.MailSpec enqueues tasks.NewsSpec handles tasks.NewsSpec pool"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/analyzer/testdata/unhandled/orders"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

const audits = "audits"

func main() {
	var s schedule.Scheduler
	m, r, ctx := runtime.NewManager(runtime.ManagerConfig{}), runtime.NewRouter(), context.Background()
	_, _ = tasks.RegisterSchedules(ctx, s) // want `tasks.AuditTask is enqueued here and the program works on its queue "audits", .*: call tasks.RegisterAudit`
	runtime.RegisterWithResult[tasks.NewsTask, tasks.Receipt](r, &tasks.NewsSpec, nil)
	_, _ = tasks.EnqueueNews(ctx, m, tasks.NewsTask{})
	_ = orders.Take(ctx, m)
	_, _ = runtime.NewPool(m, r, runtime.PoolConfig{Queues: []runtime.PoolQueue{{Name: audits}}})
}
