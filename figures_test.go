package taskgen_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPerformanceQuotesTheResults holds every figure of docs/performance.md to
// the files that the benchmarks wrote. What it takes to render them belongs to the
// module of the benchmarks.
func TestPerformanceQuotesTheResults(t *testing.T) {
	cmd := exec.Command("go", "run", "./page", "-check")
	cmd.Dir = "bench"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
