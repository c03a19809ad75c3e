package drivertest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
)

func TestTheTableSaysHowAProviderStandsToEachLaw(t *testing.T) {
	h := memoryHarness()
	h.Downgrades = map[Law]string{PublishBeforeAck: "a reason"}
	b := newResultRecorder(&h)
	b.note(testCase{law: NothingIsLost, name: "one"}, false)
	b.note(testCase{law: NothingIsLost, name: "two"}, false)
	b.note(testCase{law: LeasesHold, name: "bad"}, true)
	b.note(testCase{law: PublishBeforeAck, name: "weaker"}, false)
	r := recorder.Run(t, func(tb testing.TB) {
		b.leaveOut(tb, testCase{law: PublishBeforeAck, name: "kill"}, processes, "none to kill")
		b.leaveOut(tb, testCase{law: StatsTellTheTruth, name: "cost"}, costing, "not counted")
		for law := Contract; int(law) < len(lawTexts); law++ {
			b.checkDowngrade(tb, law)
		}
	})
	require.False(t, r.Failed(), r.Text())
	status := map[Law]Status{NothingIsLost: Held, LeasesHold: Failed, PublishBeforeAck: Downgraded, NeverEarly: NotRun}
	report := b.report()
	for law, want := range status {
		assert.Equal(t, want, report.law(law).Status, "%s", law)
	}
	table := Markdown(report, Report{Provider: "other"})
	assert.Contains(t, table, "| Law | memory | other |\n|---|---|---|\n")
	assert.Contains(t, table, "| law 1: nothing is lost | held (2) | not run (0) |\n")
	assert.Contains(t, table, "| law 5: publish before ack | downgraded (1) | not run (0) |\n")
	assert.Contains(t, table, "\n## memory\n\n- **law 5: publish before ack** is downgraded: a reason\n")
	assert.Contains(t, table, "- left out for lack of work that can be counted (not counted): \"cost\"\n")
	assert.NotContains(t, table, "other:")
}

func TestATestIsLeftOutOnlyForAReason(t *testing.T) {
	h := memoryHarness()
	h.Downgrades = nil
	b := newResultRecorder(&h)
	r := recorder.Run(t, func(tb testing.TB) {
		b.leaveOut(tb, testCase{law: PublishBeforeAck, name: "kill"}, processes, "none to kill")
	})
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "downgrade the law in the Harness, with the reason")
	assert.Equal(t, Failed, b.report().law(PublishBeforeAck).Status)
}

func TestAnUnnecessaryDowngradeFails(t *testing.T) {
	h := memoryHarness()
	h.Downgrades = map[Law]string{LeasesHold: "laziness"}
	b := newResultRecorder(&h)
	r := recorder.Run(t, func(tb testing.TB) {
		b.leaveOut(tb, testCase{law: LeasesHold, name: "cost"}, costing, "an optional need is none")
		b.checkDowngrade(tb, LeasesHold)
	})
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "take the downgrade out")
}

func TestTheTableIsWrittenWhereItIsAskedFor(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TASKGEN_CONFORMANCE_OUT", dir)
	h := memoryHarness()
	b := newResultRecorder(&h)
	b.note(testCase{law: LeasesHold, name: "bad"}, true)
	r := recorder.Run(t, func(tb testing.TB) { b.publish(tb) })
	assert.False(t, r.Failed())
	assert.Contains(t, r.Text(), "law 2: leases hold failed in: bad")
	data, err := os.ReadFile(filepath.Join(dir, "memory.json"))
	require.NoError(t, err)
	var back Report
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, b.report(), back)

	t.Setenv("TASKGEN_CONFORMANCE_OUT", filepath.Join(dir, "no", "such"))
	r = recorder.Run(t, func(tb testing.TB) { b.publish(tb) })
	assert.True(t, r.Failed())
}

func TestAHarnessThatSaysTooLittleIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Harness){
		"no name":             func(h *Harness) { h.Name = "" },
		"no data":             func(h *Harness) { h.Data = nil },
		"no open":             func(h *Harness) { h.Open = nil },
		"no home":             func(h *Harness) { h.Home = "" },
		"unknown law":         func(h *Harness) { h.Downgrades = map[Law]string{99: "x"} },
		"downgrade, no cause": func(h *Harness) { h.Downgrades = map[Law]string{NeverEarly: ""} },
	} {
		h := memoryHarness()
		spoil(&h)
		assert.Error(t, h.validate(), name)
	}
	h := memoryHarness()
	assert.NoError(t, h.validate())
}

func TestEachTestOfTheSuiteHasANameOfItsOwn(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range testCases() {
		assert.False(t, seen[c.name], "two tests are called %q", c.name)
		seen[c.name] = true
		assert.NotNil(t, c.run, c.name)
	}
	assert.Greater(t, len(seen), 100)
}

func TestATaskDiffNamesEveryField(t *testing.T) {
	h := memoryHarness()
	recorder.Run(t, func(tb testing.TB) {
		w := newEnv(tb, &h, testCase{}, defaultPatience)
		full := w.fullTask(w.open(runtime.QueueConfig{}))
		full.Priority, full.GroupKey = 2, "g"
		diff := taskDiff(new(runtime.Task), full)
		for _, field := range []string{
			"ID", "Type", "Queue", "Encoding", "GroupKey", "UniqueKey", "Priority", "MaxRetries", "RetryCount",
			"SchemaVersion", "Shape", "Timeout", "UniqueFor", "Payload", "Metadata", "CreatedAt", "ScheduledFor",
		} {
			assert.Contains(t, diff, field+" is ")
		}
		assert.Empty(t, taskDiff(full, full.Clone()))
	})
}
