package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
)

// TestOnlyABusyMachineIsGivenMoreTime: a failure on an idle machine is one, and so is
// one that comes again when all takes longer.
func TestOnlyABusyMachineIsGivenMoreTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		late    time.Duration
		clock   bool // the harness gives the suite a clock to move
		failsAt time.Duration
		runs    int
		fails   bool
	}{
		"idle":                    {late: overloaded, failsAt: 1, runs: 1, fails: true},
		"busy":                    {late: overloaded + 1, failsAt: 1, runs: 2},
		"busy, and no failure":    {late: overloaded + 1, failsAt: 0, runs: 1},
		"busy, and really wrong":  {late: overloaded + 1, failsAt: retryFactor, runs: 2, fails: true},
		"busy, and time is moved": {late: overloaded + 1, clock: true, failsAt: 1, runs: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := memoryHarness()
			h.UsesClock = c.clock
			h.missingRequirements(t)
			tr := &caseRunner{h: &h, wakeups: new(wakeups)}
			var leases []time.Duration
			r := recorder.Run(t, func(tb testing.TB) {
				tr.run(tb, testCase{name: "a test", run: func(w *env) {
					leases = append(leases, w.lease())
					tr.wakeups.late.Add(int64(c.late))
					w.check(w.timeFactor > c.failsAt, "too late")
				}})
			})
			assert.Equal(t, c.fails, r.Failed(), r.Text())
			assert.Len(t, leases, c.runs)
			if c.runs == 2 {
				assert.Equal(t, c.clock, leases[0] == leases[1], "moved time has no need to be longer")
				assert.Contains(t, r.Text(), "run again")
			}
		})
	}
}
