package check

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
)

func TestDefaultsAreThoseOfTheRuntime(t *testing.T) {
	assert.Equal(t, runtime.DefaultLevels, defaultLevels)
	assert.Equal(t, runtime.DefaultVisibility, defaultVisibility)
	assert.Equal(t, runtime.DefaultMaxDeliveries, defaultMaxDeliveries)
	assert.Equal(t, runtime.DefaultRetryBase, defaultRetryBase)
	assert.Equal(t, runtime.DefaultRetryCap, defaultRetryCap)
}
