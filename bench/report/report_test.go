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

func TestSpreadOfTakesThePercentiles(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	require.Equal(t, &Spread{Min: 1, P50: 50, P99: 99, Max: 100, Samples: 100}, SpreadOf(hundred))
	require.Equal(t, &Spread{Min: 1, P50: 2, P99: 3, Max: 3, Samples: 3}, SpreadOf([]float64{3, 1, 2}))
	require.Equal(t, &Spread{Min: 7, P50: 7, P99: 7, Max: 7, Samples: 1}, SpreadOf([]float64{7}))
	require.Nil(t, SpreadOf(nil))
}

func TestFigureKeepsTheDecimalsThatMeanSomething(t *testing.T) {
	for n, want := range map[float64]string{1234.5: "1,234", 20: "20", 12.34: "12.3", 0.6: "0.60", 5.125: "5.12"} {
		require.Equal(t, want, Figure(n))
	}
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
