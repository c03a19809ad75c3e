package taskgen_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/queuetest"
)

// reported are the harnesses whose reports make up docs/providers.md, in the
// order of its columns.
var reported = []string{
	"memory", "sqlite", "redis", "redis-cluster", "sqs-standard", "sqs-fifo", "sqs-priority", "rabbitmq", "nats",
}

// A trait is a row of the table of capabilities.
type trait struct {
	field, text string
	zero        string // what 0 is called
}

var traits = []trait{
	{"Durable", "a task survives `kill -9` of whatever holds it", ""},
	{"MaxDelay", "longest delay of an enqueue", "none"},
	{"DelayHop", "longest delay that the backend sees to by itself", "any"},
	{"Lateness", "a due task waits at most, on an idle queue", "0s"},
	{"Granularity", "leases and delays are rounded up to", "exact"},
	{"MaxLease", "longest lease", "none"},
	{"FreeLeases", "a lease outlives its connection, and any process can settle it", ""},
	{"Fencing", "the backend itself refuses stale receipts", ""},
	{"MaxPayload", "largest payload", "none"},
	{"MaxBatch", "tasks in one round trip", "none"},
	{"GathersEnqueues", "gathers concurrent enqueues by itself", ""},
	{"RefusesIDs", "refuses an ID that is on the queue", ""},
	{"UniqueUntilDone", "unique keys until the task is done", ""},
	{"DedupWindow", "longest window of a unique key", "none"},
	{"FirstInFirstOut", "hands out in the order of arrival", ""},
	{"UnfairGroups", "a long group may go before others", ""},
	{"CrashIsAttempt", "a crash costs an attempt", ""},
	{"CountsCrashes", "counts crashes, for `max_deliveries`", ""},
	{"CountsLostPolls", "may answer a waiting worker that has died, and counts that as a crash", ""},
	{"KeepsReleased", "a released task keeps its changed envelope", ""},
	{"CountsScheduled", "counts what is not due", ""},
	{"CountsLeased", "counts the leases of every process", ""},
	{"ConfirmsAcks", "nil from an ack is the broker's word", ""},
	{"LateLeased", "counts a killed worker's leases until somebody asks for tasks", ""},
	{"CountsOrigins", "counts the dead by queue of origin", ""},
	{"CountsAge", "knows the age of the oldest", ""},
	{"Browse", "lists tasks", ""},
	{"Cancel", "cancels a task", ""},
	{"Reschedule", "reschedules a task", ""},
	{"Purge", "purges", ""},
	{"Pause", "pauses", ""},
	{"Redrive", "redrives dead tasks", ""},
	{"Discard", "discards dead tasks", ""},
	{"Transactions", "enqueues in your own transaction", ""},
}

// typed are the capabilities that follow from a queue's type: the first row.
var typed = map[string]bool{"Ordered": true, "Priorities": true}

// TestProvidersPageIsWhatTheSuiteFoundOut keeps the tables of docs/providers.md
// equal to the reports in testdata/conformance, which "make providers" writes.
func TestProvidersPageIsWhatTheSuiteFoundOut(t *testing.T) {
	reports := readReports(t)
	const file = "docs/providers.md"
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	page := string(data)
	page = put(t, page, "capabilities", capabilities(t, reports))
	page = put(t, page, "laws", queuetest.Markdown(reports...))
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(page), 0o644))
		return
	}
	require.Equal(t, page, string(data), "out of date: make providers")
}

func TestEveryLawThatIsReportedIsKeptOrDowngraded(t *testing.T) {
	for _, r := range readReports(t) {
		for _, l := range r.Laws {
			if l.Status == queuetest.NotRun && len(l.LeftOut) > 0 {
				continue // a law about another type of queues, which has a column of its own
			}
			assert.Contains(t, []queuetest.Status{queuetest.Held, queuetest.Downgraded}, l.Status, "%s, %s: mend it, and run make providers", r.Provider, l.Text)
		}
	}
}

func readReports(t *testing.T) []queuetest.Report {
	t.Helper()
	reports := make([]queuetest.Report, len(reported))
	for i, name := range reported {
		data, err := os.ReadFile(filepath.Join("testdata", "conformance", name+".json"))
		require.NoError(t, err, "make providers writes it")
		require.NoError(t, json.Unmarshal(data, &reports[i]))
	}
	return reports
}

// put replaces what stands between a page's marks.
func put(t *testing.T, page, name, text string) string {
	t.Helper()
	begin, end := "<!-- begin of "+name+" -->\n", "<!-- end of "+name+" -->\n"
	head, rest, ok := strings.Cut(page, begin)
	require.True(t, ok, "the page has no line %q", begin)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "the page has no line %q", end)
	return head + begin + "\n" + text + "\n" + end + tail
}

func capabilities(t *testing.T, reports []queuetest.Report) string {
	t.Helper()
	var b strings.Builder
	row := func(text string, cell func(r queuetest.Report) string) {
		fmt.Fprintf(&b, "| %s |", text)
		for _, r := range reports {
			fmt.Fprintf(&b, " %s |", cell(r))
		}
		b.WriteString("\n")
	}
	row("", func(r queuetest.Report) string { return r.Provider })
	b.WriteString("|---" + strings.Repeat("|---", len(reports)) + "|\n")
	row("types of queues", func(r queuetest.Report) string {
		var types []string
		for _, one := range r.Types {
			types = append(types, string(one))
		}
		return strings.Join(types, ", ")
	})
	told := make(map[string]bool)
	for _, one := range traits {
		told[one.field] = true
		row(one.text, func(r queuetest.Report) string {
			v := reflect.ValueOf(r.Capabilities).FieldByName(one.field)
			require.True(t, v.IsValid(), "Capabilities has no field %s", one.field)
			return one.show(v.Interface())
		})
	}
	for f := range reflect.TypeFor[runtime.Capabilities]().Fields() {
		require.True(t, told[f.Name] || typed[f.Name], "the table says nothing of Capabilities.%s", f.Name)
	}
	return b.String()
}

// show is how a value of a capability stands in the table.
func (one trait) show(value any) string {
	switch v := value.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case time.Duration:
		switch v {
		case runtime.Unlimited:
			return "no bound"
		case 0:
			return one.zero
		}
		text := v.String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	case int:
		switch {
		case v == runtime.Unlimited:
			return "no bound"
		case v == 0:
			return one.zero
		case one.field == "MaxPayload":
			return bytesText(v)
		}
		return thousands(float64(v))
	}
	return fmt.Sprint(value)
}

// bytesText is a size in the largest unit in which it is not below one, rounded
// down: what is promised fits.
func bytesText(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

func TestSizesAndTimesOfTheTable(t *testing.T) {
	one := trait{zero: "none"}
	for want, d := range map[string]time.Duration{
		"none": 0, "no bound": runtime.Unlimited, "12h": 12 * time.Hour, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute,
		"25ms": 25 * time.Millisecond, "10s": 10 * time.Second, "1m30s": 90 * time.Second,
	} {
		assert.Equal(t, want, one.show(d))
	}
	assert.Equal(t, "255 KiB", trait{field: "MaxPayload"}.show(256<<10-1))
	assert.Equal(t, "1,000", one.show(1000))
}

// thousands prints a number without decimals and with commas: 1,234,568.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
