package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// Errors say what can be done about them. They come wrapped: errors.Is tells.
func Example_errors() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{MaxPayload: 1 << 10})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail", Capacity: 1}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	send := func(id, queue, text string) string {
		spec := &runtime.Spec[string]{Type: "letter", Queue: queue}
		_, err := runtime.Enqueue(ctx, m, spec, &text, runtime.WithID(id))
		switch {
		case err == nil:
			return "sent"
		case errors.Is(err, runtime.ErrDuplicate):
			return "there already"
		case errors.Is(err, runtime.ErrQueueFull):
			return "try again later"
		case errors.Is(err, runtime.ErrUnavailable): // nobody knows what became of the task
			return "send it again with the same ID"
		case errors.Is(err, runtime.ErrInvalidTask),
			errors.Is(err, runtime.ErrPayloadTooLarge),
			errors.Is(err, runtime.ErrUnsupported), // a delay that the broker cannot keep, say
			errors.Is(err, runtime.ErrUnknownQueue):
			return "mend the program"
		default: // a permission that is missing, or a full disk
			return "mend the broker"
		}
	}
	fmt.Println(send("1", "mail", "hello"))
	fmt.Println(send("1", "mail", "hello"))
	fmt.Println(send("2", "mail", "hello"))
	fmt.Println(send("3", "mail", strings.Repeat("hello ", 1000)))
	fmt.Println(send("4", "post", "hello"))
	// Output:
	// sent
	// there already
	// try again later
	// mend the program
	// mend the program
}
