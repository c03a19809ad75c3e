package measure_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// runOf is a first run that began ten seconds after noon and took two, of a task that was
// created a minute before noon and due at noon.
func runOf(change func(*observe.Run)) *observe.Run {
	r := &observe.Run{
		Task:    &driver.Task{CreatedAt: noon.Add(-time.Minute), ScheduledFor: noon},
		Attempt: 1, At: noon.Add(10 * time.Second), Took: 2 * time.Second, Outcome: driver.Completed,
	}
	if change != nil {
		change(r)
	}
	return r
}

func TestWaitIsThatOfAFirstRun(t *testing.T) {
	wait, ok := measure.Wait(runOf(nil))
	assert.True(t, ok)
	assert.Equal(t, 10*time.Second, wait)
	wait, ok = measure.Wait(runOf(func(r *observe.Run) { r.Task.ScheduledFor = noon.Add(time.Hour) }))
	assert.True(t, ok)
	assert.Zero(t, wait, "another machine's clock is ahead")

	for name, change := range map[string]func(*observe.Run){
		"a retry":         func(r *observe.Run) { r.Attempt = 2 },
		"after a crash":   func(r *observe.Run) { r.Crashes = 1 },
		"a redriven task": func(r *observe.Run) { driver.SetMeta(r.Task, driver.MetaRedriveCount, "1") },
	} {
		_, ok := measure.Wait(runOf(change))
		assert.False(t, ok, name)
	}
}

func TestEndToEndIsThatOfALastRun(t *testing.T) {
	for want, change := range map[time.Duration]func(*observe.Run){
		12 * time.Second: nil,
		72 * time.Second: func(r *observe.Run) { r.Attempt, r.Outcome = 3, driver.Died },
		0:                func(r *observe.Run) { r.Task.ScheduledFor = noon.Add(time.Hour) },
	} {
		took, ok := measure.EndToEnd(runOf(change))
		assert.True(t, ok)
		assert.Equal(t, want, took)
	}
	for name, change := range map[string]func(*observe.Run){
		"to be retried":   func(r *observe.Run) { r.Outcome = driver.Retried },
		"abandoned":       func(r *observe.Run) { r.Outcome = driver.Abandoned },
		"a redriven task": func(r *observe.Run) { driver.SetMeta(r.Task, driver.MetaRedriveCount, "1") },
	} {
		_, ok := measure.EndToEnd(runOf(change))
		assert.False(t, ok, name)
	}
}

func TestLagIsThatOfAFiring(t *testing.T) {
	fired := func(at string) *driver.Task {
		return &driver.Task{CreatedAt: noon, Metadata: map[string]string{driver.MetaFiring: at}}
	}
	lag, ok := measure.Lag(fired("2026-03-01T11:59:58.5Z"))
	assert.True(t, ok)
	assert.Equal(t, 1500*time.Millisecond, lag)
	lag, ok = measure.Lag(fired("2026-03-01T12:00:01Z"))
	assert.True(t, ok)
	assert.Zero(t, lag)

	_, ok = measure.Lag(&driver.Task{CreatedAt: noon})
	assert.False(t, ok, "no schedule fired it")
	_, ok = measure.Lag(fired("yesterday"))
	assert.False(t, ok)
	again := fired("2026-03-01T11:00:00Z")
	again.RetryCount = 1
	_, ok = measure.Lag(again)
	assert.False(t, ok, "it is put back")
	driver.SetMeta(again, driver.MetaRedriveCount, "1")
	again.RetryCount = 0
	_, ok = measure.Lag(again)
	assert.False(t, ok, "it is redriven")
}
