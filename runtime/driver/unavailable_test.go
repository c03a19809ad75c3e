package driver_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestUnavailableKeepsTheCauseAndLeavesKnownOutcomes(t *testing.T) {
	assert.NoError(t, driver.Unavailable(nil))
	err := driver.Unavailable(io.EOF)
	assert.ErrorIs(t, err, driver.ErrUnavailable)
	assert.ErrorIs(t, err, io.EOF)
	for _, known := range []error{err, driver.ErrQueueFull, driver.ErrTaskFailed, fmt.Errorf("extend: %w", driver.ErrLeaseLost)} {
		assert.Equal(t, known, driver.Unavailable(known))
	}
	batch := &driver.BatchError{Items: []driver.ItemError{{Err: driver.ErrClosed}}}
	assert.False(t, errors.Is(driver.Unavailable(batch), driver.ErrUnavailable))
}
