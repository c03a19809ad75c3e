package unused

import (
	"testing"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

func TestErrorsMatterHereToo(t *testing.T) {
	m := runtime.NewManager(runtime.ManagerConfig{})
	tasks.EnqueueMail(t.Context(), m, tasks.MailTask{}) // want `tasks.EnqueueMail is ignored`
	_, _ = tasks.EnqueueMail(t.Context(), m, tasks.MailTask{})
}
