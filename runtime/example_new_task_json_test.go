package runtime_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// A program that passes on payloads of others, which come as JSON, makes tasks of them. The
// spec decides the rest, as it does for payloads in Go.
func ExampleSpec_NewTaskJSON() {
	type mail struct {
		To string `json:"to"`
	}
	spec := &runtime.Spec[mail]{
		Type: "mail", Queue: "mails", Retry: runtime.RetryPolicy{Max: 5},
		UniqueKey: func(m *mail) string { return m.To },
	}
	t, err := spec.NewTaskJSON([]byte(`{"to": "ada@example.com"}`), time.Now(), runtime.WithPriority(2))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Type, t.Queue, t.Priority, t.MaxRetries, t.UniqueKey, string(t.Payload))

	_, err = spec.NewTaskJSON([]byte(`{"too": "ada@example.com"}`), time.Now())
	fmt.Println(errors.Is(err, runtime.ErrInvalidTask), err)
	// Output:
	// mail mails 2 5 ada@example.com {"to":"ada@example.com"}
	// true taskgen: invalid task: the payload of a task of type mail: json: unknown field "too"
}
