package dlq_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime/dlq"
)

// Letters that nobody needs are removed one by one, or as a filter says.
func ExampleBox_Discard() {
	ctx := context.Background()
	o := openOffice(ctx, "ada", "grace", "katherine") // whose tasks have died on the queue "mail"
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: o.Router})
	if err != nil {
		log.Fatal(err)
	}
	gone, err := box.Discard(ctx, []string{"ada", "nobody"})
	fmt.Println(gone, err)
	n, err := box.DiscardMatching(ctx, dlq.Filter{Text: "grace"})
	fmt.Println(n, err)
	// Output:
	// [ada] <nil>
	// 1 <nil>
}

// A program keeps dead letters for a month. Run looks again and again; Discard looks once.
func ExampleRetention() {
	ctx := context.Background()
	o := openOffice(ctx, "ada") // whose task has just died
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: o.Router})
	if err != nil {
		log.Fatal(err)
	}
	retention := dlq.Retention{Box: box, Age: 30 * 24 * time.Hour}
	n, err := retention.Discard(ctx)
	fmt.Println("discarded", n, err)
	// Output: discarded 0 <nil>
}
