package driver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestStampReplacesGuessesAlone(t *testing.T) {
	guess, now, other := time.Unix(100, 0), time.Unix(500, 0), time.Unix(900, 0)
	for name, c := range map[string]struct {
		task         Task
		change       func(*Task)
		created, due time.Time
	}{
		"no times":                  {Task{}, func(*Task) {}, now, time.Time{}},
		"a time that holds":         {Task{CreatedAt: guess}, func(*Task) {}, guess, time.Time{}},
		"a guess":                   {Task{CreatedAt: guess}, Unstamp, now, time.Time{}},
		"a delay from a guess":      {Task{CreatedAt: guess}, func(t *Task) { Unstamp(t); SetDelay(t, time.Minute) }, now, now.Add(time.Minute)},
		"a delay that was changed":  {Task{CreatedAt: guess}, func(t *Task) { Unstamp(t); SetDelay(t, time.Minute); t.ScheduledFor = other }, now, other},
		"a time instead of a delay": {Task{CreatedAt: guess}, func(t *Task) { SetDelay(t, time.Minute); SetDue(t, t.ScheduledFor) }, guess, guess.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			task := &c.task
			c.change(task)
			Stamp(task, now)
			assert.Equal(t, c.created, task.CreatedAt)
			assert.Equal(t, c.due, task.ScheduledFor)
			Stamp(task, other)
			assert.Equal(t, c.created, task.CreatedAt, "once")
			assert.Equal(t, c.due, task.ScheduledFor, "once")
		})
	}
}
