package nats

import (
	"testing"

	"github.com/taskgen/taskgen/runtime/dlq/boxtest"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	boxtest.Run(t, func(tb testing.TB) driver.Provider { return openShared(tb) })
}
