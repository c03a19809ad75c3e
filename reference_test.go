package taskgen_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator"
)

var update = flag.Bool("update", false, "rewrite the generated parts of the docs")

// TestAnnotationsReferenceIsWhatTheParserKnows keeps docs/annotations.md equal
// to the table that the parser reads. Run with -update to rewrite it.
func TestAnnotationsReferenceIsWhatTheParserKnows(t *testing.T) {
	const file, begin, end = "docs/annotations.md", "<!-- begin of taskgen explain -->\n", "<!-- end of taskgen explain -->\n"
	reference, err := generator.Explain("")
	require.NoError(t, err)
	rules, err := generator.Explain("rules")
	require.NoError(t, err)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(data), begin)
	require.True(t, ok, "%s has no line %q", file, begin)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no line %q", file, end)

	want := head + begin + "\n```text\n" + reference + "```\n\n## Rules\n\n```text\n" + rules + "```\n\n" + end + tail
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(data), "out of date: go test . -run Annotations -update")
}
