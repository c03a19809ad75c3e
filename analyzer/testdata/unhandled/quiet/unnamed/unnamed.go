package main // want package:"enqueues tasks.MailSpec handles tasks.AuditSpec pool"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	ctx, m, r := context.Background(), runtime.NewManager(runtime.ManagerConfig{}), runtime.NewRouter()
	_, _ = tasks.EnqueueMail(ctx, m, tasks.MailTask{})
	tasks.RegisterAudit(r, nil)
	var queues []runtime.PoolQueue
	_, _ = runtime.NewPool(m, r, runtime.PoolConfig{Queues: queues})
	_, _, _ = ctx, m, r
}
