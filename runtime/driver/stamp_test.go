package driver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestStampReplacesGuessesAlone(t *testing.T) {
	guess, now, other := time.Unix(100, 0), time.Unix(500, 0), time.Unix(900, 0)
	for name, c := range map[string]struct {
		task         driver.Task
		change       func(*driver.Task)
		created, due time.Time
	}{
		"no times":                  {driver.Task{}, func(*driver.Task) {}, now, time.Time{}},
		"a time that holds":         {driver.Task{CreatedAt: guess}, func(*driver.Task) {}, guess, time.Time{}},
		"a guess":                   {driver.Task{CreatedAt: guess}, driver.Unstamp, now, time.Time{}},
		"a delay from a guess":      {driver.Task{CreatedAt: guess}, func(t *driver.Task) { driver.Unstamp(t); driver.SetDelay(t, time.Minute) }, now, now.Add(time.Minute)},
		"a delay that was changed":  {driver.Task{CreatedAt: guess}, func(t *driver.Task) { driver.Unstamp(t); driver.SetDelay(t, time.Minute); t.ScheduledFor = other }, now, other},
		"a time instead of a delay": {driver.Task{CreatedAt: guess}, func(t *driver.Task) { driver.SetDelay(t, time.Minute); driver.SetDue(t, t.ScheduledFor) }, guess, guess.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			task := &c.task
			c.change(task)
			driver.Stamp(task, now)
			assert.Equal(t, c.created, task.CreatedAt)
			assert.Equal(t, c.due, task.ScheduledFor)
			driver.Stamp(task, other)
			assert.Equal(t, c.created, task.CreatedAt, "once")
			assert.Equal(t, c.due, task.ScheduledFor, "once")
		})
	}
}
