package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Fault is what was done to the processes or the broker, and when.
type Fault struct {
	Name       string
	Begin, End time.Time
	// Network says that connections to the broker were disturbed: an ack that the
	// broker does not confirm may be lost.
	Network bool
	// Process says that a process was killed or frozen: what it had put in a second place
	// may still be in the first.
	Process bool
}

// Terms are what a provider promises.
type Terms struct {
	// ConfirmsAcks: see driver.Capabilities. Where it is false, what was settled
	// shortly before a disturbance may come back.
	ConfirmsAcks bool
	// Copies says that a request which is sent again because its answer was lost, or a
	// move that a killed process did not end, may put a task there twice, as where
	// Capabilities.RefusesIDs is false.
	Copies bool
	// Resends says that it does so where the task was done before it is sent again.
	Resends bool
	Faults  []Fault
}

// A life is all that the books say of one task.
type life struct {
	planned  Entry
	accepted bool
	at       time.Time // when it was accepted, or nobody knew
	maybe    bool      // nobody knows whether it was enqueued
	refused  string    // why it was not enqueued
	begun    []Entry
	done     []Entry
	settled  []Entry
	dead     []Entry
	buried   bool
}

// over reports whether the task need not run any more.
func (l *life) over() bool { return len(l.done) > 0 || l.buried || len(l.dead) > 0 }

func lives(entries []Entry) map[string]*life {
	all := make(map[string]*life)
	for _, e := range entries {
		if e.ID == "" {
			continue
		}
		l := all[e.ID]
		if l == nil {
			l = &life{}
			all[e.ID] = l
		}
		switch e.What {
		case Planned:
			l.planned = e
		case Accepted:
			l.accepted, l.at = true, e.At
		case Unknown:
			l.maybe, l.at = true, e.At
		case Refused:
			l.refused = e.Text
		case Duplicate:
			l.refused = "its unique key was taken"
		case Begun:
			l.begun = append(l.begun, e)
		case Done:
			l.done = append(l.done, e)
		case Settled:
			l.settled = append(l.settled, e)
		case Buried:
			l.buried = true
		case Dead:
			l.dead = append(l.dead, e)
		}
	}
	return all
}

// Pending returns what the books say of the tasks that were accepted and are neither
// done nor dead.
func Pending(entries []Entry) []string {
	var all []string
	for id, l := range lives(entries) {
		if l.accepted && !l.over() {
			all = append(all, id+": "+l.String())
		}
	}
	slices.Sort(all)
	return all
}

// String tells the life in a line.
func (l *life) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, planned at %s", l.planned.Type, clock(l.planned.At))
	if !l.planned.Due.IsZero() {
		fmt.Fprintf(&b, " for %s", clock(l.planned.Due))
	}
	if l.planned.Group != "" {
		fmt.Fprintf(&b, " in the group %s", l.planned.Group)
	}
	for _, some := range [][]Entry{l.begun, l.done, l.settled} {
		for _, e := range some {
			fmt.Fprintf(&b, ", %s at %s by %s", e.What, clock(e.At), e.From)
		}
	}
	return b.String()
}

// Untouched returns what the books say of the tasks that wait, were accepted by a time,
// and that nothing keeps from being begun: none has another of its group before it, and
// none was delayed, for a queue may need room to take what is due.
func Untouched(entries []Entry, by time.Time) []string {
	var all []string
	for id, l := range lives(entries) {
		if l.accepted && l.at.Before(by) && l.planned.Due.IsZero() && l.planned.Group == "" && len(l.begun) == 0 {
			all = append(all, id+": "+l.String())
		}
	}
	slices.Sort(all)
	return all
}

// Audit compares the books and returns all that should not be, one line each.
// doomed is the type of the tasks that belong on the dead letter queue.
func Audit(entries []Entry, doomed string, terms Terms) []string {
	var found []string
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	all := lives(entries)
	groups := make(map[string][]*life)
	for _, e := range entries {
		switch {
		case e.What == Leaked:
			report("process %s left behind: %s", e.From, e.Text)
		case e.What == Planned && e.Group != "":
			groups[e.Group] = append(groups[e.Group], all[e.ID])
		}
	}
	for id, l := range all {
		kind := l.planned.Type
		switch {
		case kind == "" && len(l.begun) > 0:
			report("%s ran, and nobody enqueued it", id)
			continue
		case l.refused != "" && len(l.begun)+len(l.dead) > 0:
			report("%s (%s) was on the queue, and its enqueue at %s said that it was not: %s", id, kind, clock(l.planned.At), l.refused)
		case l.accepted && !l.over():
			report("%s (%s) is lost, neither done nor dead: %s", id, kind, l)
		case kind == doomed && l.accepted && len(l.dead) == 0:
			report("%s (%s) died, and is not on the dead letter queue", id, kind)
		case kind != doomed && len(l.dead) > 0:
			report("%s (%s) is on the dead letter queue after %d runs: %s", id, kind, len(l.begun), l.dead[0].Text)
		}
		for _, b := range l.begun {
			if b.At.Before(l.planned.Due) {
				report("%s (%s) ran %s early", id, kind, l.planned.Due.Sub(b.At))
			}
		}
		if again, ok := cameBack(l, terms); ok {
			report("%s (%s) came back at %s: %s", id, kind, clock(again.At), l)
		}
	}
	for group, line := range groups {
		found = append(found, order(group, line)...)
	}
	slices.Sort(found)
	return found
}

// cameBack returns the first run that began after the task was settled, where the
// terms do not allow it.
func cameBack(l *life, terms Terms) (Entry, bool) {
	if len(l.settled) == 0 {
		return Entry{}, false
	}
	at := l.settled[0].At
	during := func(from, to time.Time, some func(Fault) bool) bool {
		return slices.ContainsFunc(terms.Faults, func(f Fault) bool { return some(f) && f.Begin.Before(to) && f.End.After(from) })
	}
	disturbed := func(from, to time.Time) bool {
		return during(from, to, func(f Fault) bool { return f.Network })
	}
	// A process that was frozen gives up on answers, too.
	if terms.Resends && (l.at.Sub(l.planned.At) > time.Second || disturbed(l.planned.At, l.at)) {
		return Entry{}, false
	}
	if !terms.ConfirmsAcks && disturbed(at.Add(-ackTime), at.Add(ackTime)) {
		return Entry{}, false
	}
	for _, b := range l.begun {
		// A process may stand still between its last look at the lease and the handler.
		if !b.Start.IsZero() && !b.Start.After(at) {
			continue
		}
		if b.At.After(at) {
			copied := terms.Copies && during(l.planned.At, b.At, func(f Fault) bool { return f.Network || f.Process })
			return b, !copied
		}
	}
	return Entry{}, false
}

// ackTime is how far from a disturbance an unconfirmed ack may be that it takes along.
const ackTime = 10 * time.Second

// order checks one group, in the order in which its tasks were enqueued: each begins
// after those before it were done for the first time. What nobody knows to be on the
// queue, or may have come later than it was sent, has no place.
func order(group string, line []*life) []string {
	var found []string
	var before *life
	for _, l := range line {
		if !l.accepted || l.maybe || len(l.begun) == 0 {
			continue
		}
		if before != nil && (len(before.done) == 0 || l.begun[0].At.Before(before.done[0].At)) {
			found = append(found, fmt.Sprintf("group %s: %s began at %s, before %s was done", group, l.planned.ID, clock(l.begun[0].At), before.planned.ID))
		}
		before = l
	}
	return found
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// Summary counts what the books hold, for the log.
func Summary(entries []Entry) string {
	count := make(map[string]int)
	for _, e := range entries {
		count[e.What]++
	}
	again := 0
	for _, l := range lives(entries) {
		again += max(len(l.done)-1, 0)
	}
	var b strings.Builder
	for _, what := range []string{Planned, Accepted, Duplicate, Refused, Unknown, Begun, Failed, Done, Settled, Buried, Dead} {
		fmt.Fprintf(&b, "%d %s, ", count[what], what)
	}
	fmt.Fprintf(&b, "%d done more than once", again)
	return b.String()
}
