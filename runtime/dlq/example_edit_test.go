package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime/dlq"
)

// A payload is corrected as it is shown: a secret that is left hidden stays as it was. What
// does not fit the schema of the type is refused.
func ExampleBox_RedriveEdited() {
	ctx := context.Background()
	o := openOffice(ctx, "ad") // the name is wrong, and the task dead
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: o.Router})
	if err != nil {
		log.Fatal(err)
	}
	l, err := box.Show(ctx, "ad")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(l.Payload))

	o.Broken = false
	err = box.RedriveEdited(ctx, l.Ref, []byte(`{"user":7,"password":"••••"}`))
	fmt.Println("refused:", errors.Is(err, dlq.ErrInvalidPayload))
	if err := box.RedriveEdited(ctx, l.Ref, []byte(`{"user":"ada","password":"••••"}`)); err != nil {
		log.Fatal(err)
	}
	o.Work(ctx)
	fmt.Println("done:", o.Done)
	// Output:
	// {"password":"••••","user":"ad"}
	// refused: true
	// done: [ada]
}
