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
	assert.Equal(t, runtime.DefaultRetryBase, defaultRetryBase)
	assert.Equal(t, runtime.DefaultRetryCap, defaultRetryCap)
}
