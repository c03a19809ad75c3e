package dlq_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
)

// Once the cause is mended the dead go back to their queue: all that a filter chooses, at
// a rate that the service can bear. A dry run counts them.
func ExampleBox_Redrive() {
	ctx := context.Background()
	o := openOffice(ctx, "ada", "grace") // whose tasks have died on the queue "mail"
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: o.Router})
	if err != nil {
		log.Fatal(err)
	}
	redrive := dlq.Redrive{
		Filter: dlq.Filter{Type: "login", Reason: "server is down"},
		Rate:   runtime.Rate{Limit: 100, Per: time.Second},
		DryRun: true,
	}
	would, err := box.Redrive(ctx, redrive)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("would move", would.Moved)

	o.Broken = false
	redrive.DryRun = false
	done, err := box.Redrive(ctx, redrive)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("moved", done.Moved, "and kept", len(done.Kept))
	o.Work(ctx)
	fmt.Println("done:", o.Done)
	// Output:
	// would move 2
	// moved 2 and kept 0
	// done: [ada grace]
}
