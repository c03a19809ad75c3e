package loop

import (
	"context"
	"testing"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

func TestNobodyCares(t *testing.T) {
	m := runtime.NewManager(runtime.ManagerConfig{})
	for i := range 3 {
		_, _ = tasks.EnqueueNews(context.Background(), m, tasks.NewsTask{Issue: i})
	}
}
