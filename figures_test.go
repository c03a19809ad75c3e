package taskgen_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// TestPerformanceQuotesTheResults holds every figure of docs/performance.md, and of the
// page of the results, to the files that the benchmarks wrote. What it takes to render them belongs to the
// module of the benchmarks.
func TestPerformanceQuotesTheResults(t *testing.T) {
	cmd := exec.Command("go", "run", "./page", "-check")
	cmd.Dir = "bench"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestWorkersQuotesHowLongStoppingTakes holds the figures of docs/workers.md about
// stopping to a pool whose handler never ends.
func TestWorkersQuotesHowLongStoppingTakes(t *testing.T) {
	page, err := os.ReadFile("docs/workers.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## Stopping\n")
	require.True(t, found)
	section = strings.Join(strings.Fields(section), " ")
	figure := func(prose string) time.Duration {
		t.Helper()
		m := regexp.MustCompile(prose).FindStringSubmatch(section)
		require.NotNil(t, m, "docs/workers.md says nothing like %q", prose)
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		return time.Duration(n) * time.Second
	}
	after := figure("`Run` returns (\\d+) s after the grace at the latest")
	room := figure("`terminationGracePeriodSeconds` to the grace plus (\\d+) s")
	period := figure("default of (\\d+) s, ")
	grace := figure("a `Grace` of (\\d+) s is right")
	byDefault := figure("`Grace` \\((\\d+) s by default\\)")
	require.Greater(t, room, after)
	require.LessOrEqual(t, grace+room, period)

	for configured, takes := range map[time.Duration]time.Duration{grace: grace, 0: byDefault} {
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, time.Second+takes+after, stopping(t, configured))
		})
	}
}

// stopping runs a pool whose handler never ends until a context ends after a second, and
// returns how long that took.
func stopping(t *testing.T, grace time.Duration) time.Duration {
	t.Helper()
	p := memory.New()
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	// A lease far longer than all that: it has no say.
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "q", Visibility: time.Hour}))
	r, release := runtime.NewRouter(), make(chan struct{})
	r.Handle(runtime.Policy{Type: "job"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error {
		<-release
		return nil
	}))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Grace: grace})
	require.NoError(t, err)
	_, err = m.Enqueue(t.Context(), []*runtime.Task{{ID: "stuck", Type: "job", Queue: "q", Payload: []byte("{}")}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	require.ErrorContains(t, pool.Run(ctx), "stuck")
	took := time.Since(begun)
	close(release)
	require.NoError(t, pool.Stop(context.Background()))
	return took
}
