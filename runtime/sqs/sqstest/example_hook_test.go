package sqstest_test

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqs"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// A hook makes the service fail, call by call and entry by entry, so that a test sees what
// the program does about it. Here the provider sends again what is worth it.
func ExampleServer_SetHook() {
	server := sqstest.New(nil)
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	defer server.Stop()
	ctx := context.Background()
	p, err := sqs.New(server.Client(), sqs.WithCloseWait(0))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	var failed atomic.Bool
	var fail sqstest.Hook = func(c sqstest.Call) sqstest.Fault {
		if c.Operation != "SendMessageBatch" || failed.Swap(true) {
			return sqstest.Fault{}
		}
		return sqstest.Fault{Entries: map[int]*sqstest.Error{
			0: sqstest.InternalError(), 1: sqstest.Throttled(), 2: sqstest.Unavailable(),
			3: {Type: "InvalidMessageContents", Message: "a character is not allowed"},
		}}
	}
	server.SetHook(fail)
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	people := []string{"ada", "grace", "katherine", "dorothy", "mary"}
	_, err = runtime.EnqueueBatch(ctx, m, spec, people)
	for i, to := range people {
		fmt.Println(to, runtime.ErrorAt(err, i))
	}
	fmt.Println("requests:", server.Requests()["SendMessageBatch"])
	// Output:
	// ada <nil>
	// grace <nil>
	// katherine <nil>
	// dorothy SQS refused it: InvalidMessageContents: a character is not allowed
	// mary <nil>
	// requests: 2
}
