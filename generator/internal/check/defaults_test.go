package check

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestDefaultsAreThoseOfTheRuntime(t *testing.T) {
	assert.Equal(t, driver.DefaultLevels, defaultLevels)
	assert.Equal(t, driver.DefaultVisibility, defaultVisibility)
	assert.Equal(t, driver.DefaultMaxDeliveries, defaultMaxDeliveries)
	assert.Equal(t, driver.DefaultUnknown, defaultUnknown)
	var zero runtime.RetryPolicy
	assert.Equal(t, zero.Delay(1, 0), defaultRetryBase)
	assert.Equal(t, zero.Delay(1000, 0), defaultRetryCap)
}
