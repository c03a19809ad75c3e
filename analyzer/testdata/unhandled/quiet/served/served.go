package main // want package:"enqueues tasks.MailSpec pool"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	_ "github.com/taskgen/taskgen/config/server"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	ctx, m, r := context.Background(), runtime.NewManager(runtime.ManagerConfig{}), runtime.NewRouter()
	_, _ = tasks.EnqueueMail(ctx, m, tasks.MailTask{})
	_, _ = runtime.NewPool(m, r, runtime.PoolConfig{})
	_, _, _ = ctx, m, r
}
