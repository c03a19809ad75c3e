// Package other has functions that only look generated.
package other

import "context"

type MailTask struct{}

// EnqueueMail has a name that the generator gives, and other types.
func EnqueueMail(ctx context.Context, to string, task MailTask) error { return nil }

// Queue is of another project.
type Queue struct{}

func (Queue) Enqueue(ctx context.Context, tasks []MailTask) error { return nil }
