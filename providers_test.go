package taskgen_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
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
	{"Durable", "a task survives `kill -9` of the process or broker that holds it", ""},
	{"MaxDelay", "longest delay of an enqueue", "none"},
	{"DelayHop", "longest delay that the backend handles by itself", "none"},
	{"Lateness", "a due task waits at most, on an idle queue", "not known"},
	{"Granularity", "leases and delays are rounded up to", "not known"},
	{"MaxLease", "longest lease", "none"},
	{"FreeLeases", "a lease outlives its connection, and any process can settle the task", ""},
	{"Fencing", "the backend itself refuses stale receipts", ""},
	{"MaxPayload", "largest payload", "none"},
	{"MaxBatch", "tasks in one round trip", "1"},
	{"GathersEnqueues", "batches concurrent enqueues by itself", ""},
	{"RefusesIDs", "refuses an ID that is on the queue", ""},
	{"UniqueUntilDone", "unique keys until the task is done", ""},
	{"DedupWindow", "longest window of a unique key", "none"},
	{"FirstInFirstOut", "hands out tasks in the order of arrival", ""},
	{"FairGroups", "groups take turns", ""},
	{"ForgivesCrashes", "a crash costs no retry", ""},
	{"CountsCrashes", "counts crashes, for `max_deliveries`", ""},
	{"ExactCrashes", "counts no crash for a task that no worker received", ""},
	{"KeepsReleased", "a released task keeps its changed envelope", ""},
	{"CountsScheduled", "counts the tasks that are not due", ""},
	{"CountsLeased", "counts the leases of every process", ""},
	{"ExactReady", "its count of ready tasks is exact, and a fetch finds them all", ""},
	{"Unmetered", "bills no requests", ""},
	{"ConfirmsAcks", "an ack returns nil only when the broker has confirmed it", ""},
	{"CountsExpired", "counts a task as ready as soon as its lease has ended", ""},
	{"CountsOrigins", "counts dead tasks by queue of origin", ""},
	{"CountsAge", "knows the age of the oldest task", ""},
	{"Browse", "lists tasks", ""},
	{"Cancel", "cancels a task", ""},
	{"Reschedule", "reschedules a task", ""},
	{"Purge", "purges a queue", ""},
	{"Pause", "pauses a queue", ""},
	{"Delete", "deletes a queue", ""},
	{"Redrive", "redrives dead tasks", ""},
	{"Discard", "discards dead tasks", ""},
	{"Transactions", "enqueues in your own transaction", ""},
}

// typed are the capabilities that follow from a queue's type: the first row.
var typed = map[string]bool{"Ordered": true, "Priorities": true}

// TestProvidersPageIsWhatTheSuiteFoundOut keeps the tables of docs/providers.md and
// docs/conformance.md equal to the reports in testdata/conformance, which "make
// providers" writes.
func TestProvidersPageIsWhatTheSuiteFoundOut(t *testing.T) {
	reports := readReports(t)
	keep(t, "docs/providers.md", map[string]string{"laws": lawTable(t, reports), "capabilities": capabilities(t, reports)})
	keep(t, "docs/conformance.md", map[string]string{"report": drivertest.Markdown(reports...)})
}

// keep compares what stands between a page's marks with what belongs there, by the
// marks' names, or writes it there with -update.
func keep(t *testing.T, file string, parts map[string]string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	page := string(data)
	for name, text := range parts {
		page = put(t, page, name, text)
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(page), 0o644))
		return
	}
	require.Equal(t, page, string(data), "%s is out of date: go test . -run Page -update, after make providers if the suite changed", file)
}

// A column of the table of laws is a provider, and the reports that tell of it.
type column struct {
	name    string
	reports []string
}

var columns = []column{
	{"memory", []string{"memory"}},
	{"sqlite", []string{"sqlite"}},
	{"redis", []string{"redis", "redis cluster"}},
	{"nats", []string{"nats"}},
	{"rabbitmq", []string{"rabbitmq"}},
	{"sqs", []string{"sqs-standard", "sqs-fifo", "sqs-priority"}},
}

// meanings say what each law means to the user of a queue, by its number.
var meanings = map[drivertest.Law]string{
	drivertest.NothingIsLost:         "A task whose enqueue returned no error is handed out until it is completed or on the dead letter queue.",
	drivertest.LeasesHold:            "While a worker has the lease of a task, no other worker receives the task.",
	drivertest.StaleReceipts:         "A worker whose lease has ended can neither complete nor move the task.",
	drivertest.NeverEarly:            "A delayed task waits at least as long as its delay.",
	drivertest.PublishBeforeAck:      "A task that moves is in its new place before it leaves the old one.",
	drivertest.PoisonDoesNotLoop:     "A task that cannot be read, or kills its workers, leaves the queue.",
	drivertest.CrashesAreNotFailures: "A worker that dies costs its tasks none of their retries.",
	drivertest.OrderWherePromised:    "A fifo queue hands out each group in order, a priority queue the highest level first.",
	drivertest.DuplicatesAreReported: "An enqueue whose unique key is taken names the task that holds it.",
	drivertest.AcksSurviveTrouble:    "A finished task completes once, even if the broker is away at that moment.",
	drivertest.StoppingIsClean:       "A pool that stops lets running tasks finish, and gives the others back.",
	drivertest.StatsTellTheTruth:     "The counts are right after each operation, and cost no more on a full queue.",
	drivertest.ADeployIsNoFault:      "Old and new builds share a queue: a task that one does not know waits for the other.",
	drivertest.DoneStaysDone:         "A completed task does not run again when the broker is killed, and its unique key is free.",
	drivertest.DrainsInTrouble:       "While the backend is full, slow or frozen, existing tasks are run and nothing hangs. A call that gets no answer returns `ErrUnavailable`.",
	drivertest.DiesOfItsOwnRuns:      "No task is buried for a neighbour's crash, a lost connection or an outage.",
}

// lawTable is the table of laws, laws down and providers across. A law that a
// provider keeps in part leads to its reasons.
func lawTable(t *testing.T, reports []drivertest.Report) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| law | what it means |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.name)
	}
	b.WriteString("\n|---|---" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, l := range reports[0].Laws {
		if l.Law == drivertest.Contract {
			continue
		}
		require.Contains(t, meanings, l.Law, "the table says nothing of %s", l.Text)
		number, text, _ := strings.Cut(strings.TrimPrefix(l.Text, "law "), ": ")
		fmt.Fprintf(&b, "| %s. %s | %s |", number, text, meanings[l.Law])
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", standing(t, l.Law, c, reports))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// standing says how the provider of a column stands to a law: as its weakest report.
func standing(t *testing.T, law drivertest.Law, c column, reports []drivertest.Report) string {
	t.Helper()
	var weak []string
	for _, name := range c.reports {
		at := slices.IndexFunc(reports, func(r drivertest.Report) bool { return r.Provider == name })
		require.GreaterOrEqual(t, at, 0, "there is no report of %s", name)
		for _, l := range reports[at].Laws {
			if l.Law == law && l.Status != drivertest.Held && l.Status != drivertest.NotRun {
				weak = append(weak, name)
			}
		}
	}
	if len(weak) == 0 {
		return "yes"
	}
	return fmt.Sprintf("[in part](conformance.md#%s)", strings.ReplaceAll(weak[0], " ", "-"))
}

func TestEveryLawThatIsReportedIsKeptOrDowngraded(t *testing.T) {
	for _, r := range readReports(t) {
		for _, l := range r.Laws {
			if l.Status == drivertest.NotRun && len(l.LeftOut) > 0 {
				continue // a law about another type of queues, which has a column of its own
			}
			assert.Contains(t, []drivertest.Status{drivertest.Held, drivertest.Downgraded}, l.Status, "%s, %s: mend it, and run make providers", r.Provider, l.Text)
		}
	}
}

func TestEveryProviderSaysHowMuchItKeeps(t *testing.T) {
	for _, r := range readReports(t) {
		for _, field := range []string{"MaxLease", "MaxPayload", "MaxBatch", "Priorities", "Granularity", "Lateness"} {
			v := reflect.ValueOf(r.Capabilities).FieldByName(field)
			require.True(t, v.IsValid(), field)
			assert.False(t, v.IsZero(), "%s says nothing of Capabilities.%s", r.Provider, field)
		}
	}
}

func readReports(t *testing.T) []drivertest.Report {
	t.Helper()
	reports := make([]drivertest.Report, len(reported))
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

func capabilities(t *testing.T, reports []drivertest.Report) string {
	t.Helper()
	var b strings.Builder
	row := func(text string, cell func(r drivertest.Report) string) {
		fmt.Fprintf(&b, "| %s |", text)
		for _, r := range reports {
			fmt.Fprintf(&b, " %s |", cell(r))
		}
		b.WriteString("\n")
	}
	row("", func(r drivertest.Report) string { return r.Provider })
	b.WriteString("|---" + strings.Repeat("|---", len(reports)) + "|\n")
	row("types of queues", func(r drivertest.Report) string {
		var types []string
		for _, one := range r.Types {
			types = append(types, string(one))
		}
		return strings.Join(types, ", ")
	})
	told := make(map[string]bool)
	for _, one := range traits {
		told[one.field] = true
		row(one.text, func(r drivertest.Report) string {
			v := reflect.ValueOf(r.Capabilities).FieldByName(one.field)
			require.True(t, v.IsValid(), "Capabilities has no field %s", one.field)
			return one.show(v.Interface())
		})
	}
	for f := range reflect.TypeFor[driver.Capabilities]().Fields() {
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
		case driver.Unlimited:
			return "no bound"
		case 0:
			return one.zero
		case driver.Exact:
			return "exact"
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
		case v == driver.Unlimited:
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
		"none": 0, "no bound": driver.Unlimited, "12h": 12 * time.Hour, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute,
		"exact": driver.Exact, "25ms": 25 * time.Millisecond, "10s": 10 * time.Second, "1m30s": 90 * time.Second,
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
