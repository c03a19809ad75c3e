package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
)

// A letter says why its task died, run by run. Secrets of its payload are hidden.
func ExampleBox_Show() {
	ctx := context.Background()
	o := openOffice(ctx, "ada") // whose task has died on the queue "mail"
	box, err := dlq.Open(o.Manager, "mail", dlq.Config{Router: o.Router})
	if err != nil {
		log.Fatal(err)
	}
	l, err := box.Show(ctx, "ada")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Type, "died after", l.Runs, "run:", l.Reason)
	fmt.Println(string(l.Payload))
	for _, a := range l.Attempts {
		fmt.Println("attempt", a.Number, a.Error)
	}

	_, err = box.Show(ctx, "grace")
	fmt.Println(errors.Is(err, runtime.ErrTaskNotFound))
	// Output:
	// login died after 1 run: the mail server is down
	// {"password":"••••","user":"ada"}
	// attempt 1 the mail server is down
	// true
}
