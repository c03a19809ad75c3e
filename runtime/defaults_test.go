package runtime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/internal/pool"
)

func TestTheDefaultsAreThoseThatPoolConfigAndRetryPolicyState(t *testing.T) {
	assert.Equal(t, 10, pool.DefaultWorkers)
	assert.Equal(t, 30*time.Second, pool.DefaultGrace)
	assert.Equal(t, time.Second, pool.DefaultRetryBase)
	assert.Equal(t, time.Hour, pool.DefaultRetryCap)
	assert.InDelta(t, 2, pool.DefaultRetryFactor, 0)
}
