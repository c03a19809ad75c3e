package driver_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// What the manager and the pool make of a zero is tested there.
func TestTheZeroOfCapabilitiesPromisesNothing(t *testing.T) {
	now := time.Now()
	for name, task := range map[string]*driver.Task{
		"any delay":              {ScheduledFor: now.Add(1)},
		"a key with a window":    {UniqueKey: "k", UniqueFor: 1},
		"a key until it is done": {UniqueKey: "k"},
	} {
		require.ErrorIs(t, driver.Capabilities{}.Accepts(task, now), driver.ErrUnsupported, name)
	}
	for f := range reflect.TypeFor[driver.Capabilities]().Fields() {
		if f.Type.Kind() == reflect.Bool {
			continue // true promises something, by convention
		}
		_, weakest := map[string]string{
			"MaxDelay": "no delay", "DelayHop": "no delay", "MaxLease": "no lease", "MaxPayload": "no payload", "MaxBatch": "one task",
			"DedupWindow": "no key", "Priorities": "one level", "Granularity": "not known", "Lateness": "not known",
		}[f.Name]
		assert.True(t, weakest, "say what the zero of Capabilities.%s promises, which is to be the least", f.Name)
	}
}

func TestCapabilitiesRefuseWhatTheQueueCannotKeep(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	later := func(d time.Duration) *driver.Task {
		return &driver.Task{ID: "x", Type: "t", Queue: "q", ScheduledFor: now.Add(d)}
	}
	unique := func(within time.Duration) *driver.Task {
		return &driver.Task{ID: "x", Type: "t", Queue: "q", UniqueKey: "k", UniqueFor: within}
	}
	for name, c := range map[string]struct {
		can  driver.Capabilities
		task *driver.Task
		want string // in the error; "": none
	}{
		"no delay at all":        {driver.Capabilities{}, later(1), "due in 1ns, and the longest delay is 0s"},
		"a time that has passed": {driver.Capabilities{}, later(-time.Hour), ""},
		"no time":                {driver.Capabilities{}, &driver.Task{}, ""},
		"the longest delay":      {driver.Capabilities{MaxDelay: time.Hour}, later(time.Hour), ""},
		"a longer one":           {driver.Capabilities{MaxDelay: time.Hour}, later(time.Hour + 1), "the longest delay is 1h0m0s"},
		"any delay":              {driver.Capabilities{MaxDelay: driver.Unlimited}, later(1 << 62), ""},
		"no keys":                {driver.Capabilities{}, unique(1), "the queue holds none"},
		"no keys until done":     {driver.Capabilities{DedupWindow: time.Hour}, unique(0), "until it is done"},
		"keys until done alone":  {driver.Capabilities{UniqueUntilDone: true}, unique(0), ""},
		"the longest window":     {driver.Capabilities{DedupWindow: time.Hour}, unique(time.Hour), ""},
		"a longer window":        {driver.Capabilities{DedupWindow: time.Hour}, unique(time.Hour + 1), "unique for 1h0m0.000000001s, and the queue holds keys for 1h0m0s"},
		"any window":             {driver.Capabilities{DedupWindow: driver.Unlimited}, unique(1 << 62), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.can.Accepts(c.task, now)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, driver.ErrUnsupported)
			assert.ErrorContains(t, err, c.want)
		})
	}
}
