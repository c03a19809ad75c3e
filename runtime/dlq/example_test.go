package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A loop over dead letters may deal with each as it comes to it.
func ExampleBox_All() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	r := runtime.NewRouter()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	runtime.Register(r, spec, func(_ context.Context, to string) error {
		if to == "nobody" {
			return runtime.Skip(errors.New("there is no such mailbox"))
		}
		return runtime.Skip(errors.New("the mailbox is full"))
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, to := range []string{"Ada", "nobody", "Grace"} {
		if _, err := runtime.Enqueue(ctx, m, spec, &to, runtime.WithID("to-"+to)); err != nil {
			fmt.Println(err)
			return
		}
	}
	if _, err := p.Drain(ctx); err != nil {
		fmt.Println(err)
		return
	}

	box, err := dlq.Open(m, "mail", dlq.Config{Router: r})
	if err != nil {
		fmt.Println(err)
		return
	}
	for l, err := range box.All(ctx, dlq.Filter{Type: "welcome"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(l.ID, "is dead:", l.Reason)
		if l.Reason == "there is no such mailbox" {
			if _, err := box.Discard(ctx, []string{l.ID}); err != nil {
				fmt.Println(err)
			}
		}
	}
	groups, err := box.Groups(ctx, dlq.Filter{})
	if err != nil || len(groups) != 1 {
		fmt.Println(groups, err)
		return
	}
	fmt.Printf("%d are left: %s\n", groups[0].Count, groups[0].Pattern)
	// Output:
	// to-Ada is dead: the mailbox is full
	// to-nobody is dead: there is no such mailbox
	// to-Grace is dead: the mailbox is full
	// 2 are left: the mailbox is full
}
