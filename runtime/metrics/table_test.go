package metrics

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the table of metrics in docs/observability.md")

// TestThePageListsTheMetrics keeps the table of docs/observability.md equal to the one
// that the code reads. Run with -update to rewrite it.
func TestThePageListsTheMetrics(t *testing.T) {
	const file, begin, end = "../../docs/observability.md", "<!-- begin of the metrics -->\n", "<!-- end of the metrics -->\n"
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(data), begin)
	require.True(t, ok, "%s has no line %q", file, begin)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no line %q", file, end)
	want := head + begin + "\n" + table() + "\n" + end + tail
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(data), "out of date: go test ./runtime/metrics -run PageLists -update")
}

func table() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		labels := "none"
		if len(f.labels) > 0 {
			labels = "`" + strings.Join(f.labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.fullName(), f.kind, labels, f.help)
	}
	return b.String()
}

// TestEachFamilyIsInTheTable holds what is registered against the table.
func TestEachFamilyIsInTheTable(t *testing.T) {
	described := make(map[string]bool)
	ch := make(chan *prometheus.Desc)
	go func() {
		New(Config{}).Describe(ch)
		close(ch)
	}()
	for d := range ch {
		described[d.String()] = true
	}
	assert.Len(t, described, len(families))
	for _, f := range families {
		assert.True(t, described[f.desc().String()], "%s is not what the table says", f.name)
	}
}
