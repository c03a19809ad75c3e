// Package other has functions that only look generated.
package other

import (
	"context"

	"github.com/taskgen/taskgen/runtime"
)

type MailTask struct{}

// EnqueueMail has a name that the generator gives, and other types.
func EnqueueMail(ctx context.Context, to string, task MailTask) error { return nil }

// Queue is of another project.
type Queue struct{}

func (Queue) Enqueue(ctx context.Context, tasks []MailTask) error { return nil }

type Ping struct{}

// PingSpec is a spec without generated code.
var PingSpec = runtime.Spec[Ping]{Type: "ping", Queue: "pings"}

// EnqueuePing is not what the generator would write for it.
func EnqueuePing(ctx context.Context, to runtime.Enqueuer, note string) error {
	_, err := runtime.Enqueue(ctx, to, &PingSpec, new(Ping))
	return err
}
