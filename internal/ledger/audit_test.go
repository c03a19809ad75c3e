package ledger

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A history is a list of entries a second apart.
func history(entries ...Entry) []Entry {
	t := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range entries {
		entries[i].At = t.Add(time.Duration(i) * time.Second)
	}
	return entries
}

func TestTheAuditFindsEachKindOfFault(t *testing.T) {
	plan := Entry{What: Planned, ID: "a", Type: "plain"}
	late := Entry{What: Planned, ID: "a", Type: "plain", Due: time.Date(2026, 1, 1, 0, 0, 3, 0, time.UTC)}
	first, second := Entry{What: Planned, ID: "a", Type: "ordered", Group: "g"}, Entry{What: Planned, ID: "b", Type: "ordered", Group: "g"}
	of := func(id string, what ...string) (all []Entry) {
		for _, w := range what {
			all = append(all, Entry{What: w, ID: id})
		}
		return all
	}
	join := func(parts ...[]Entry) (all []Entry) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	again := func(start time.Duration) []Entry {
		run := Entry{What: Begun, ID: "a", Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(start)}
		return join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled), []Entry{run}, of("a", Done)) // settled after 4s
	}
	cut := Terms{Faults: []Fault{{Name: "cut", Network: true, Begin: time.Date(2026, 1, 1, 0, 0, 5, 0, time.UTC), End: time.Date(2026, 1, 1, 0, 0, 6, 0, time.UTC)}}}
	for name, c := range map[string]struct {
		entries []Entry
		terms   Terms
		want    string // part of the only finding; "": none
	}{
		"all is well":                     {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled)), Terms{ConfirmsAcks: true}, ""},
		"lost":                            {join([]Entry{plan}, of("a", Accepted, Begun)), Terms{}, "a (plain) is lost"},
		"unknown and never run":           {join([]Entry{plan}, of("a", Unknown)), Terms{}, ""},
		"refused and never run":           {join([]Entry{plan}, of("a", Refused)), Terms{}, ""},
		"refused and run":                 {join([]Entry{plan, {What: Refused, ID: "a", Text: "full"}}, of("a", Begun, Done)), Terms{}, "said that it was not: full"},
		"a duplicate and run":             {join([]Entry{plan}, of("a", Duplicate, Begun, Done)), Terms{}, "its unique key was taken"},
		"early":                           {join([]Entry{late}, of("a", Accepted, Begun, Done)), Terms{}, "ran 1s early"},
		"done twice":                      {join([]Entry{plan}, of("a", Accepted, Begun, Done, Begun, Done, Settled)), Terms{ConfirmsAcks: true}, ""},
		"chosen before it was settled":    {again(3 * time.Second), Terms{ConfirmsAcks: true}, ""},
		"chosen after it was settled":     {again(4500 * time.Millisecond), Terms{ConfirmsAcks: true}, "a (plain) came back"},
		"back after it was settled":       {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{ConfirmsAcks: true}, "a (plain) came back"},
		"back after an unconfirmed ack":   {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), cut, ""},
		"back with no disturbance":        {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{}, "a (plain) came back"},
		"back though acks are confirmed":  {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{ConfirmsAcks: true, Faults: cut.Faults}, "a (plain) came back"},
		"a copy of a lost answer":         {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{ConfirmsAcks: true, Copies: true, Faults: []Fault{{Name: "lose answers", Network: true, Begin: cut.Faults[0].Begin.Add(-4 * time.Second), End: cut.Faults[0].End}}}, ""},
		"a copy of a move that was cut":   {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{ConfirmsAcks: true, Copies: true, Faults: []Fault{{Name: "kill", Process: true, Begin: cut.Faults[0].Begin.Add(-2 * time.Second), End: cut.Faults[0].End}}}, ""},
		"a killed process makes no copy":  {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{ConfirmsAcks: true, Faults: []Fault{{Name: "kill", Process: true, Begin: cut.Faults[0].Begin.Add(-2 * time.Second), End: cut.Faults[0].End}}}, "a (plain) came back"},
		"a copy with no disturbance":      {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{ConfirmsAcks: true, Copies: true}, "a (plain) came back"},
		"an enqueue that was sent again":  {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{ConfirmsAcks: true, Resends: true, Faults: []Fault{{Network: true, Begin: cut.Faults[0].Begin.Add(-5 * time.Second), End: cut.Faults[0].Begin.Add(-4500 * time.Millisecond)}}}, ""},
		"an enqueue that was sent once":   {join([]Entry{plan}, of("a", Accepted, Begun, Done, Settled, Begun, Done)), Terms{ConfirmsAcks: true, Resends: true, Faults: cut.Faults}, "a (plain) came back"},
		"an innocent on the dead letters": {join([]Entry{plan}, of("a", Accepted, Begun, Dead)), Terms{}, "is on the dead letter queue after 1 runs"},
		"the doomed is dead":              {join([]Entry{{What: Planned, ID: "a", Type: "doomed"}}, of("a", Accepted, Begun, Buried, Dead)), Terms{}, ""},
		"the doomed is nowhere":           {join([]Entry{{What: Planned, ID: "a", Type: "doomed"}}, of("a", Accepted, Begun, Buried)), Terms{}, "not on the dead letter queue"},
		"in order":                        {join([]Entry{first, second}, of("a", Accepted), of("b", Accepted), of("a", Begun, Done), of("b", Begun, Done)), Terms{}, ""},
		"out of order":                    {join([]Entry{first, second}, of("a", Accepted), of("b", Accepted), of("a", Begun), of("b", Begun, Done), of("a", Done)), Terms{}, "group g: b began"},
		"after one that nobody knows of":  {join([]Entry{first, second}, of("a", Unknown), of("b", Accepted, Begun, Done), of("a", Begun, Done)), Terms{}, ""},
		"from nowhere":                    {of("a", Begun, Done), Terms{}, "nobody enqueued it"},
		"a leak":                          {[]Entry{{What: Leaked, Text: "3 goroutines"}}, Terms{}, "left behind: 3 goroutines"},
	} {
		t.Run(name, func(t *testing.T) {
			found := Audit(history(c.entries...), "doomed", c.terms)
			if c.want == "" {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Contains(t, found[0], c.want)
		})
	}
}

func TestUntouchedIsWhatNothingKeepsFromBeingBegun(t *testing.T) {
	entries := history(
		Entry{What: Planned, ID: "begun"}, Entry{What: Accepted, ID: "begun"}, Entry{What: Begun, ID: "begun"},
		Entry{What: Planned, ID: "waits"}, Entry{What: Accepted, ID: "waits"},
		Entry{What: Planned, ID: "refused"}, Entry{What: Refused, ID: "refused"},
		Entry{What: Planned, ID: "behind", Group: "g"}, Entry{What: Accepted, ID: "behind"},
		Entry{What: Planned, ID: "delayed", Due: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}, Entry{What: Accepted, ID: "delayed"},
		Entry{What: Planned, ID: "after"}, Entry{What: Accepted, ID: "after"},
	)
	assert.Len(t, Untouched(entries, entries[12].At.Add(1)), 2)
	assert.Len(t, Untouched(entries, entries[12].At), 1)
	assert.Empty(t, Untouched(entries, entries[4].At))
}

func TestBooksAreReadInTheOrderOfTime(t *testing.T) {
	dir := t.TempDir()
	var books []*Book
	for _, name := range []string{"one", "two"} {
		b, err := OpenBook(dir, name)
		require.NoError(t, err)
		books = append(books, b)
	}
	for i := range 6 {
		books[i%2].Write(Entry{What: Begun, ID: strconv.Itoa(i)})
	}
	entries, err := Read(dir)
	require.NoError(t, err)
	require.Len(t, entries, 6)
	for i, e := range entries {
		assert.Equal(t, strconv.Itoa(i), e.ID)
		assert.Equal(t, []string{"one", "two"}[i%2], e.From)
	}
	for _, b := range books {
		require.NoError(t, b.Close())
	}
}
