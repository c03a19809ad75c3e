package redis

import (
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq/boxtest"
)

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	t.Parallel()
	boxtest.Run(t, func(tb testing.TB) runtime.Provider { return open(tb, sharedURL(tb)) })
}
