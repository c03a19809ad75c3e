package main // want package:"pool"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	ctx, m, r := context.Background(), runtime.NewManager(runtime.ManagerConfig{}), runtime.NewRouter()
	_, _ = tasks.EnqueueMail(ctx, m, tasks.MailTask{}, runtime.WithQueue("other"))
	var opts []runtime.EnqueueOption
	_, _ = tasks.EnqueueMail(ctx, m, tasks.MailTask{}, opts...)
	_, _ = runtime.NewPool(m, r, runtime.PoolConfig{})
	_, _, _ = ctx, m, r
}
