package dlq_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A processor moves the dead to a store of their own, Provider.Letters of SQLite or Redis
// as a rule, and tells somebody. A box then works on the store.
func ExampleProcessor() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	o := openOffice(ctx, "ada", "grace") // whose tasks have died on the queue "mail"
	if err := o.Manager.Open(ctx, o.Provider, runtime.QueueConfig{Name: "mail-dlq"}); err != nil {
		log.Fatal(err)
	}
	letters := memory.NewLetters()
	told := make(chan dlq.Notice, 1)
	p, err := dlq.NewProcessor(o.Manager, "mail-dlq", dlq.ProcessorConfig{
		Store: letters,
		Notifier: dlq.NotifierFunc(func(_ context.Context, n dlq.Notice) error {
			told <- n
			return nil
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	over := make(chan error)
	go func() { over <- p.Run(ctx) }()
	n := <-told
	stop()
	if err := <-over; err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d dead on %s: %s\n", n.Count, n.Queue, n.Groups[0].Pattern)

	ctx = context.Background()
	box := dlq.OpenStore(o.Manager, letters, dlq.Config{Router: o.Router})
	done, err := box.Redrive(ctx, dlq.Redrive{IDs: []string{"ada"}})
	fmt.Println("moved", done.Moved, err)
	// Output:
	// 2 dead on mail-dlq: the mail server is down
	// moved 1 <nil>
}
