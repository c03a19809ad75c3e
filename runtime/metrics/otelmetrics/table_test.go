package otelmetrics

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the table of instruments in docs/observability.md")

// TestThePageListsTheInstruments keeps the second table of docs/observability.md equal to
// the one that the code reads. Run with -update to rewrite it.
func TestThePageListsTheInstruments(t *testing.T) {
	const file, begin, end = "../../../docs/observability.md", "<!-- begin of the instruments -->\n", "<!-- end of the instruments -->\n"
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(data), begin)
	require.True(t, ok, "%s has no line %q", file, begin)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no line %q", file, end)
	var b strings.Builder
	b.WriteString("| instrument | unit | meaning |\n|---|---|---|\n")
	for _, i := range instruments {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", i.name, i.unit, i.description)
	}
	want := head + begin + "\n" + b.String() + "\n" + end + tail
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(data), "out of date: go test ./runtime/metrics/otelmetrics -run PageLists -update")
}
