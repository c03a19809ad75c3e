package redis

import (
	"testing"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/boxtest"
)

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	t.Parallel()
	boxtest.Run(t, func(tb testing.TB) driver.Provider { return open(tb, sharedURL(tb)) })
}
