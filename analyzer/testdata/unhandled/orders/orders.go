package orders // want package:"enqueues tasks.MailSpec"

import (
	"context"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

// Take enqueues from a package that all programs import.
func Take(ctx context.Context, m *runtime.Manager) error {
	_, err := tasks.EnqueueMail(ctx, m, tasks.MailTask{})
	return err
}
