package main // want package:"enqueues tasks.MailSpec handles tasks.NewsSpec"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	ctx, m, r := context.Background(), runtime.NewManager(runtime.ManagerConfig{}), runtime.NewRouter()
	_, _ = tasks.EnqueueMail(ctx, m, tasks.MailTask{})
	tasks.RegisterNews(r, nil)
	cfg := runtime.PoolConfig{}
	_, _ = runtime.NewPool(m, r, cfg)
	_, _, _ = ctx, m, r
}
