package driver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCapabilitiesRefuseWhatTheQueueCannotKeep(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	later := func(d time.Duration) *Task { return &Task{ID: "x", Type: "t", Queue: "q", ScheduledFor: now.Add(d)} }
	unique := func(within time.Duration) *Task {
		return &Task{ID: "x", Type: "t", Queue: "q", UniqueKey: "k", UniqueFor: within}
	}
	for name, c := range map[string]struct {
		can  Capabilities
		task *Task
		want string // in the error; "": none
	}{
		"no delay at all":        {Capabilities{}, later(1), "due in 1ns, and the longest delay is 0s"},
		"a time that has passed": {Capabilities{}, later(-time.Hour), ""},
		"no time":                {Capabilities{}, &Task{}, ""},
		"the longest delay":      {Capabilities{MaxDelay: time.Hour}, later(time.Hour), ""},
		"a longer one":           {Capabilities{MaxDelay: time.Hour}, later(time.Hour + 1), "the longest delay is 1h0m0s"},
		"any delay":              {Capabilities{MaxDelay: Unlimited}, later(1 << 62), ""},
		"no keys":                {Capabilities{}, unique(1), "the queue holds none"},
		"no keys until done":     {Capabilities{DedupWindow: time.Hour}, unique(0), "until it is done"},
		"keys until done alone":  {Capabilities{UniqueUntilDone: true}, unique(0), ""},
		"the longest window":     {Capabilities{DedupWindow: time.Hour}, unique(time.Hour), ""},
		"a longer window":        {Capabilities{DedupWindow: time.Hour}, unique(time.Hour + 1), "unique for 1h0m0.000000001s, and the queue holds keys for 1h0m0s"},
		"any window":             {Capabilities{DedupWindow: Unlimited}, unique(1 << 62), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.can.Accepts(c.task, now)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrUnsupported)
			assert.ErrorContains(t, err, c.want)
		})
	}
}
