package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/report"
)

func TestThePagesSayWhatTheResultsSay(t *testing.T) {
	require.NoError(t, run("../../docs/performance.md", "../results", true))
	require.NoError(t, run("../results/README.md", "../results", true))
}

// sample is a result with everything in it.
func sample() contest.Result {
	three := report.Summary{Min: 1, Median: 2, Max: 3}
	rate := func(median, cost float64) *contest.Rate {
		return &contest.Rate{
			Summary: report.Summary{Min: median / 2, Median: median, Max: median}, Times: report.Summary{Min: 9.94, Median: 12.6, Max: 13.2},
			PerTask: map[string]report.Summary{contest.CPUMicros: {Median: cost}},
		}
	}
	return contest.Result{
		Server: "server 1.2", Missing: []string{"somebody: it is not to be had"},
		Links: []contest.Link{{
			Name: contest.Loopback, RTT: time.Millisecond, Tasks: 1000, Limit: 2.5, Rounds: 6, Probe: &contest.Probe{RoundTripMS: 1.25, PerSecond: 4000},
			Cases: []contest.Case{
				{
					Name: "taskgen", Settings: "as it is", Memory: &three,
					Rates: map[contest.Stage]*contest.Rate{contest.Batches: rate(50_000, 1.5), contest.Drain: rate(12_345, 2)},
					Idle:  report.SpreadOf([]float64{0.5}), Late: report.SpreadOf([]float64{250}),
				},
				{Name: "peer", Settings: "at its best", Rates: map[contest.Stage]*contest.Rate{contest.Many: rate(9, 30), contest.Drain: rate(1_000, 20)}},
			},
		}},
		Goals: []report.Goal{report.AtLeast("drain", 12.6, 5), report.AtMost("idle", 7, 5)},
	}
}

func TestFiguresTakeThePlaceOfWhatIsBetweenTheMarks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, report.Write(filepath.Join(dir, "example.json"), sample()))
	page := "# Page\n"
	for _, part := range []string{"goals", "loopback", "settings"} {
		page += "<!-- figures: example " + part + " -->\nold\n<!-- end of figures -->\nprose\n"
	}
	got, err := fill(page, dir)
	require.NoError(t, err)
	require.NotContains(t, got, "old")
	require.Equal(t, 3, strings.Count(got, "prose\n"))
	for _, line := range []string{
		"| drain | 5 | 12.6 | met |",
		"| idle | 5 | 7 | **missed** |",
		"Up to 1,000 tasks or 2.5 s a stage, 6 rounds. Link to the broker: 1.25 ms of round trip, 4,000 requests/s in pipelines.",
		"| taskgen | – | – | ≈ 50,000 | ≈ 12,345 | – |",
		"| peer | – | ≈ 9 (13×, 9.9–13) | – | ≈ 1,000 (13×, 9.9–13) | – |",
		"| taskgen | 0.50 | 0.50 | 250 | 250 | 250 | – | 3.5 | – | 2 |",
		"| peer | – | – | – | – | – | – | 50.0 | – | – |",
		"- **peer**: at its best.",
		"- Not measured: somebody: it is not to be had.",
	} {
		require.Contains(t, got, line+"\n")
	}
	again, err := fill(got, dir)
	require.NoError(t, err)
	require.Equal(t, got, again)
}

func TestTheRatiosOfAllBrokersComeFirst(t *testing.T) {
	dir := t.TempDir()
	for _, name := range brokers {
		r := sample()
		r.Broker = name
		require.NoError(t, report.Write(filepath.Join(dir, name+".json"), r))
	}
	got, err := fill("<!-- figures: brokers -->\n<!-- end of figures -->\n", dir)
	require.NoError(t, err)
	for _, name := range brokers {
		require.Contains(t, got, "| peer, "+name+" | 13 (9.9–13) | 13 (9.9–13) | – |\n")
	}
	require.NotContains(t, got, "| taskgen,")
}

func TestWhatIsObservedIsAPartOfWhatIsNot(t *testing.T) {
	dir := t.TempDir()
	drain := func(median, slower, cpu float64) map[contest.Stage]*contest.Rate {
		return map[contest.Stage]*contest.Rate{contest.Drain: {
			Summary: report.Summary{Min: median, Median: median, Max: median}, Times: report.Summary{Min: 1, Median: slower, Max: 2},
			PerTask: map[string]report.Summary{contest.ClientMicros: {Min: cpu - 1, Median: cpu, Max: cpu + 1}},
		}}
	}
	r := contest.Result{Links: []contest.Link{{Tasks: 1000, Limit: 10, Rounds: 9, Cases: []contest.Case{
		{Name: "taskgen", Settings: "no listener", Rates: drain(100_000, 1, 10)}, {Name: "metrics", Settings: "as they are", Rates: drain(80_000, 1.25, 12)},
	}}}}
	require.NoError(t, report.Write(filepath.Join(dir, "observed.json"), r))
	got, err := fill("<!-- figures: observed -->\n<!-- end of figures -->\n<!-- figures: observed settings -->\n<!-- end of figures -->\n", dir)
	require.NoError(t, err)
	for _, line := range []string{
		"| no listener | 100,000 | 1 | – | 10.0 | 9.0–11.0 |", "| metrics | 80,000 | 0.80 | 0.50–1.00 | 12.0 | 11.0–13.0 |",
		"Up to 1,000 tasks or 10 s a drain, 9 rounds.", "- **metrics**: as they are.",
	} {
		require.Contains(t, got, line+"\n")
	}
	r.Links[0].Cases[1].Rates = nil
	require.NoError(t, report.Write(filepath.Join(dir, "observed.json"), r))
	_, err = fill("<!-- figures: observed -->\n<!-- end of figures -->\n", dir)
	require.ErrorContains(t, err, "metrics has no rate of a drain")
}

func TestAPageWithOldFiguresFailsTheCheck(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, report.Write(filepath.Join(dir, "example.json"), sample()))
	page := filepath.Join(dir, "page.md")
	require.NoError(t, os.WriteFile(page, []byte("<!-- figures: example goals -->\n| drain | 5 | 99 | met |\n<!-- end of figures -->\n"), 0o600))
	require.ErrorContains(t, run(page, dir, true), `run `+"`go -C bench run ./page`")
	require.NoError(t, run(page, dir, false))
	require.NoError(t, run(page, dir, true))
}

func TestWhatIsNotMeasuredYetSaysSo(t *testing.T) {
	got, err := fill("<!-- figures: unknown goals -->\n<!-- end of figures -->\n", t.TempDir())
	require.NoError(t, err)
	require.Contains(t, got, "Not measured yet: `make bench` writes these figures.")
}

func TestMarksThatMeanNothingAreErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, report.Write(filepath.Join(dir, "example.json"), sample()))
	_, err := fill("<!-- figures: example nonsense -->\n<!-- end of figures -->\n", dir)
	require.ErrorContains(t, err, `there is no part "nonsense"`)
	_, err = fill("<!-- figures: example goals -->\nno end\n", dir)
	require.ErrorContains(t, err, "1 marks begin figures, and 0 of them have an end")
}
