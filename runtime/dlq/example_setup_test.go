package dlq_test

import (
	"context"
	"errors"
	"log"
	"log/slog"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A login is a payload with a secret.
type login struct {
	User     string `json:"user"`
	Password string `json:"password" task:"secret"`
}

var loginSpec = runtime.Spec[login]{
	Type: "login", Queue: "mail", Secrets: []string{"/password"},
	Schema: `{"type":"object","required":["user","password"],"properties":{"user":{"type":"string"},"password":{"type":"string"}}}`,
}

// An office is the program around an Example: a manager, a router, and what its handlers
// return.
type office struct {
	Manager  *runtime.Manager
	Provider *memory.Provider
	Router   *runtime.Router
	Broken   bool     // every task dies
	Done     []string // the users whose tasks are done
	pool     *runtime.Pool
}

// openOffice returns an office on whose queue "mail" the tasks of some users have died.
func openOffice(ctx context.Context, users ...string) *office {
	o := &office{Manager: runtime.NewManager(runtime.ManagerConfig{}), Provider: memory.New(), Router: runtime.NewRouter(), Broken: true}
	if err := o.Manager.Open(ctx, o.Provider, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	runtime.Register(o.Router, &loginSpec, func(_ context.Context, l login) error {
		if o.Broken {
			return runtime.Skip(errors.New("the mail server is down"))
		}
		o.Done = append(o.Done, l.User)
		return nil
	})
	var err error
	o.pool, err = runtime.NewPool(o.Manager, o.Router, runtime.PoolConfig{
		Workers: 1, Logger: slog.New(slog.DiscardHandler),
		Queues: []runtime.PoolQueue{{Name: "mail"}}, // and not its dead letter queue
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range users {
		if _, err := runtime.Enqueue(ctx, o.Manager, &loginSpec, &login{User: user, Password: "hunter2"}, runtime.WithID(user)); err != nil {
			log.Fatal(err)
		}
	}
	o.Work(ctx)
	return o
}

// Work runs what is due.
func (o *office) Work(ctx context.Context) {
	if _, err := o.pool.Drain(ctx); err != nil {
		log.Fatal(err)
	}
}
