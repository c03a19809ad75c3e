package nats

import (
	"testing"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/boxtest"
)

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	boxtest.Run(t, func(tb testing.TB) driver.Provider { return openShared(tb) })
}
