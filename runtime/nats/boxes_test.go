package nats

import (
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq/boxtest"
)

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	boxtest.Run(t, func(tb testing.TB) runtime.Provider { return openShared(tb) })
}
