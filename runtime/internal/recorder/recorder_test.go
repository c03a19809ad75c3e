package recorder_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/internal/recorder"
)

func TestRecorderStopsAtFatalAndCleansUp(t *testing.T) {
	var steps []string
	r := recorder.Run(t, func(tb testing.TB) {
		tb.Cleanup(func() { steps = append(steps, "first") })
		tb.Cleanup(func() { steps = append(steps, "last") })
		steps = append(steps, "body")
		tb.Fatalf("no %d", 1)
		steps = append(steps, "beyond")
	})
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "recorder_test.go:")
	assert.Contains(t, r.Text(), "no 1")
	assert.Equal(t, []string{"body", "last", "first"}, steps)
}
