package main // want package:"enqueues tasks.MailSpec handles tasks.AuditSpec handles tasks.MailSpec handles tasks.NewsSpec pool"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	ctx, m, r := context.Background(), runtime.NewManager(runtime.ManagerConfig{}), runtime.NewRouter()
	_, _ = tasks.EnqueueMail(ctx, m, tasks.MailTask{})
	_, _ = runtime.NewPool(m, r, runtime.PoolConfig{})
	tasks.RegisterHandlers(r, nil)
	_, _, _ = ctx, m, r
}
