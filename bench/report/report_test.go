package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSummarize(t *testing.T) {
	require.Equal(t, Summary{Min: 1, Median: 2, Max: 9}, Summarize([]float64{9, 1, 2}))
	require.Equal(t, Summary{Min: 1, Median: 3, Max: 9}, Summarize([]float64{9, 1, 2, 4}))
	require.Equal(t, Summary{Min: 7, Median: 7, Max: 7}, Summarize([]float64{7}))
}

func TestCountSetsThousandsApart(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567.4: "1,234,567", -1000: "-1,000", -100: "-100"} {
		require.Equal(t, want, Count(n))
	}
}

func TestTableAlignsItsColumns(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Table(&b, []string{"case", "rate"}, [][]string{{"a", "1"}, {"longer", "1,000"}}))
	require.Equal(t, "  case     rate\n  a           1\n  longer  1,000\n", b.String())
}

func TestWriteMakesTheFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results", "x.json")
	require.NoError(t, Write(path, map[string]int{"n": 1}))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "{\n  \"n\": 1\n}\n", string(data))
	require.Error(t, Write(path, func() {}), "what is no JSON is not written")
}
