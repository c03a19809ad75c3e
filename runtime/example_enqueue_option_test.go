package runtime_test

import (
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// Options change one task against what its spec says. Enqueue takes them, and so do
// generated functions and NewTask, which makes a task without sending it.
func ExampleEnqueueOption() {
	spec := &runtime.Spec[string]{
		Type: "welcome", Queue: "mail", Timeout: time.Minute,
		Retry: runtime.RetryPolicy{Max: 10},
	}
	to := "ada"
	t, err := runtime.NewTask(spec, &to, time.Now(),
		runtime.WithQueue("mail-urgent"),
		runtime.WithPriority(3), // for a queue of type priority
		runtime.WithMaxRetries(1),
		runtime.WithTimeout(5*time.Second),
		runtime.WithMetadata("tenant", "acme"),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Queue, t.Priority, t.MaxRetries, t.Timeout, t.Metadata["tenant"])
	// Output: mail-urgent 3 1 5s acme
}
