package main // want package:"enqueues tasks.MailSpec handles tasks.NewsSpec pool"

import (
	"context"
	"log"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/analyzer/testdata/unhandled/between"
	"github.com/taskgen/taskgen/runtime"
)

func main() {
	m := runtime.NewManager(runtime.ManagerConfig{})
	r := runtime.NewRouter()
	tasks.RegisterNews(r, nil)
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 3}) // want `tasks.MailTask is enqueued at github.com/taskgen/taskgen/analyzer/testdata/unhandled/orders/orders.go:12 and the program works on its queue "mails", but nothing in it registers a handler for the type: call tasks.RegisterMail, or list the types that the pool is for in PoolConfig.Types`
	if err != nil {
		log.Fatal(err)
	}
	_, _ = p, between.Take
}

func listen(ctx context.Context, r *runtime.Router) { tasks.OnDeadMail(r, nil) }
