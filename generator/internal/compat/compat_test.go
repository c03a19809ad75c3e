package compat

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/lock"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// A fixture is a package in a folder, whose lock is brought up to date by each run that finds
// nothing.
type fixture struct {
	t   *testing.T
	pkg model.Package
}

func newFixture(t *testing.T, members ...model.Member) *fixture {
	f := &fixture{t: t, pkg: model.Package{Dir: t.TempDir(), Queues: []model.Queue{{Name: "q"}}}}
	f.pkg.Tasks = []model.Task{{
		Type: "mail", Queue: "q",
		Places:  model.Places{"struct": {Pos: model.Pos{File: "tasks.go", Line: 1, Column: 6}}},
		Payload: model.Payload{Value: model.Value{Kind: model.ObjectValue}},
	}}
	f.have(members...)
	return f
}

func (f *fixture) task() *model.Task { return &f.pkg.Tasks[0] }

func (f *fixture) have(members ...model.Member) {
	slices.SortFunc(members, func(a, b model.Member) int { return strings.Compare(a.Name, b.Name) })
	f.task().Payload.Value.Members = members
}

// run returns the rules that are violated.
func (f *fixture) run(q Query) (rules []string) {
	f.t.Helper()
	q.Trace = new(load.Trace)
	r, err := Run([]model.Package{f.pkg}, nil, q)
	require.NoError(f.t, err)
	for _, d := range r.Diagnostics {
		rules = append(rules, d.Rule)
	}
	if rules == nil {
		for path, text := range r.Files {
			require.Equal(f.t, filepath.Join(f.pkg.Dir, lock.FileName), path)
			require.NoError(f.t, os.WriteFile(path, text, 0o644))
		}
	}
	return rules
}

func (f *fixture) lock() lock.File {
	text, err := os.ReadFile(filepath.Join(f.pkg.Dir, lock.FileName))
	require.NoError(f.t, err)
	file, err := lock.Parse(text)
	require.NoError(f.t, err)
	return file
}

func member(name string, kind model.ValueKind) model.Member {
	return model.Member{Name: name, Value: model.Value{Kind: kind, Bits: bits(kind), Len: -1}}
}

func bits(kind model.ValueKind) int {
	if kind == model.IntegerValue {
		return 64
	}
	return 0
}

var (
	to      = member("to", model.TextValue)
	subject = member("subject", model.TextValue)
	number  = member("subject", model.IntegerValue)
)

func TestAllShapesThatMayLieInQueuesCount(t *testing.T) {
	f := newFixture(t, to)
	require.Empty(t, f.run(Query{}))
	first := f.task().Form
	assert.Empty(t, f.task().Reads)
	f.have(to, subject)
	require.Empty(t, f.run(Query{}))
	second := f.task().Form
	assert.NotEqual(t, first, second)
	assert.Equal(t, []string{first}, f.task().Reads)

	f.have(to)
	assert.Equal(t, []string{"WIRE_REMOVED"}, f.run(Query{}), "a build that is rolled back loses what the newer one has written")
	f.have(subject, to)
	require.Empty(t, f.run(Query{}))
	assert.Equal(t, second, f.task().Form)
	f.have(to, subject, member("at", model.TimeValue))
	require.Empty(t, f.run(Query{}))
	reads := []string{first, second}
	slices.Sort(reads)
	assert.Equal(t, reads, f.task().Reads)
	require.Empty(t, f.run(Query{Extinct: []Extinct{{Type: "mail", Shape: first}}}))
	assert.Equal(t, []string{second}, f.task().Reads)
	require.Empty(t, f.run(Query{}))
	assert.Equal(t, []string{second}, f.task().Reads)
}

func TestTheNameOfARemovedMemberIsNotFree(t *testing.T) {
	f := newFixture(t, to, subject)
	require.Empty(t, f.run(Query{}))
	both := f.task().Form
	f.have(to)
	require.Equal(t, []string{"WIRE_REMOVED"}, f.run(Query{}))
	require.Empty(t, f.run(Query{Accept: "nobody read it"}))
	assert.Equal(t, []lock.Removed{{Path: "/subject", Form: "text", Reason: "nobody read it"}}, f.lock()["mail"].Removed)
	require.Empty(t, f.run(Query{}), "it was accepted")

	f.have(to, number)
	assert.Equal(t, []string{"WIRE_REUSED", "WIRE_TYPE", "WIRE_TYPE"}, f.run(Query{}))
	f.have(to, subject)
	require.Empty(t, f.run(Query{}), "it is back")
	assert.Empty(t, f.lock()["mail"].Removed)

	f.have(to)
	require.Empty(t, f.run(Query{Accept: "nobody reads it"}))
	require.Empty(t, f.run(Query{Extinct: []Extinct{{Type: "mail", Shape: both}}}))
	assert.Empty(t, f.lock()["mail"].Removed, "no task has it any more")
	f.have(to, number)
	require.Empty(t, f.run(Query{}))
}

func TestWhatWasAcceptedHoldsForThatFormAlone(t *testing.T) {
	f := newFixture(t, to, subject)
	require.Empty(t, f.run(Query{}))
	f.have(to, number)
	require.Equal(t, []string{"WIRE_TYPE", "WIRE_TYPE"}, f.run(Query{}))
	require.Empty(t, f.run(Query{Accept: "none was enqueued"}))
	f.have(to, number, member("more", model.BooleanValue))
	require.Empty(t, f.run(Query{}), "what does not concern it")
	f.have(to, member("subject", model.BooleanValue), member("more", model.BooleanValue))
	assert.Len(t, f.run(Query{}), 4, "of the text and of the number, in both directions")
	f.have(to, number)
	require.Equal(t, []string{"WIRE_REMOVED"}, f.run(Query{}))
}

func TestOlderBuildsMayFailIfTheLevelSaysSo(t *testing.T) {
	f := newFixture(t, to, number)
	require.Empty(t, f.run(Query{}))
	f.have(to, member("subject", model.NumberValue))
	require.Equal(t, []string{"WIRE_RANGE"}, f.run(Query{}))
	f.pkg.Backward = true
	require.Empty(t, f.run(Query{}))
}

func TestATypeKeepsItsShapesUnderItsNewName(t *testing.T) {
	f := newFixture(t, to)
	require.Empty(t, f.run(Query{}))
	first := f.task().Form
	f.task().Type = "letter"
	require.Equal(t, []string{"WIRE_NAME"}, f.run(Query{}))
	f.task().Aliases = []string{"mail"}
	f.have(to, subject)
	require.Empty(t, f.run(Query{}))
	assert.Equal(t, []string{first}, f.task().Reads)
	assert.NotContains(t, f.lock(), "mail")

	f.task().Aliases = nil
	require.Equal(t, []string{"WIRE_NAME"}, f.run(Query{}))
	require.Empty(t, f.run(Query{Extinct: []Extinct{{Type: "mail"}}}))
	require.Empty(t, f.run(Query{}))
}

func TestAnotherLockCounts(t *testing.T) {
	f := newFixture(t, to, subject)
	require.Empty(t, f.run(Query{}))
	text, err := os.ReadFile(filepath.Join(f.pkg.Dir, lock.FileName))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(f.pkg.Dir, lock.FileName)))
	f.have(to)
	against := func(string) ([]byte, error) { return text, nil }
	require.Equal(t, []string{"WIRE_REMOVED"}, f.run(Query{Against: against}))
	f.task().Type = "letter"
	require.Equal(t, []string{"WIRE_NAME"}, f.run(Query{Against: against}))
	text = []byte("nothing of ours")
	require.Equal(t, []string{"WIRE_LOCK"}, f.run(Query{Against: against}))
	require.Empty(t, f.run(Query{Against: func(string) ([]byte, error) { return nil, fs.ErrNotExist }}))
	_, err = Run([]model.Package{f.pkg}, nil, Query{Against: func(string) ([]byte, error) { return nil, fs.ErrPermission }, Trace: new(load.Trace)})
	require.ErrorIs(t, err, fs.ErrPermission)
}

func TestThePackageThatHasNoTasksAnyMoreStillHasItsLock(t *testing.T) {
	f := newFixture(t, to)
	require.Empty(t, f.run(Query{}))
	r, err := Run(nil, []string{f.pkg.Dir}, Query{Trace: new(load.Trace)})
	require.NoError(t, err)
	require.Len(t, r.Diagnostics, 1)
	assert.Equal(t, "WIRE_NAME", r.Diagnostics[0].Rule)
	r, err = Run(nil, []string{f.pkg.Dir}, Query{Extinct: []Extinct{{Type: "mail"}}, Trace: new(load.Trace)})
	require.NoError(t, err)
	require.Empty(t, r.Diagnostics)
	assert.Equal(t, map[string][]byte{filepath.Join(f.pkg.Dir, lock.FileName): nil}, r.Files)
	r, err = Run(nil, []string{t.TempDir()}, Query{Trace: new(load.Trace)})
	require.NoError(t, err)
	assert.Empty(t, r.Files)
}

func TestWhatIsExtinctHasToBeInALock(t *testing.T) {
	f := newFixture(t, to)
	require.Empty(t, f.run(Query{}))
	for _, text := range []string{"post", "mail@0123456789ab", "queue:p", "q"} {
		e, err := ParseExtinct(text)
		require.NoError(t, err)
		_, err = Run([]model.Package{f.pkg}, nil, Query{Extinct: []Extinct{e}, Trace: new(load.Trace)})
		assert.ErrorContains(t, err, "no lock of the packages has "+e.String())
	}
	for _, text := range []string{"", "@", "mail@", "queue:"} {
		_, err := ParseExtinct(text)
		assert.ErrorContains(t, err, "is neither a type", text)
	}
}
