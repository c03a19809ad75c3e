package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A requirement is what a test requires of a provider beyond the plain contract.
type requirement string

const (
	processes  requirement = "worker processes that can be killed"
	reopening  requirement = "data that outlives its provider"
	cutting    requirement = "a backend that can be cut off"
	restarting requirement = "a broker that can be restarted"
	fencing    requirement = "fencing by the backend"
	ordering   requirement = "queues of type fifo"
	levels     requirement = "queues of type priority"
	uniqueness requirement = "unique keys with a window"
	untilDone  requirement = "unique keys held until the task is done"
	counting   requirement = "crashes that are counted"
	exact      requirement = "crashes that are counted only of tasks that a worker received"
	inexact    requirement = "crashes that may be counted of tasks that no worker received"
	excusing   requirement = "crashes that can be taken back"
	uncharged  requirement = "crashes that are distinguished from failures"
	refusing   requirement = "IDs that are refused while they are on the queue"
	keeping    requirement = "released tasks that keep what their worker wrote"
	arriving   requirement = "tasks in the order of arrival"
	turns      requirement = "groups that take turns"
	confirming requirement = "acks that the broker confirms"
	freeLeases requirement = "leases that outlive their handle"
	tallying   requirement = "counts of scheduled and leased tasks"
	noticing   requirement = "counts that notice the end of a killed worker's lease"
	tracing    requirement = "dead tasks counted by their queue of origin"
	aging      requirement = "an age of the oldest task"
	delaying   requirement = "delays of an hour and more"
	groupDelay requirement = "delays of an hour and more on queues of type fifo"
	levelDelay requirement = "delays of an hour and more on queues of type priority"

	costing      requirement = "work that can be counted"
	browsing     requirement = "Browse"
	cancelling   requirement = "Cancel"
	rescheduling requirement = "Reschedule"
	purging      requirement = "Purge"
	pausing      requirement = "Pause"
	deleting     requirement = "Delete"
	redriving    requirement = "Redrive"
	discarding   requirement = "Discard"
	bounding     requirement = "a bound on the number of tasks of a queue"
	measuring    requirement = "a bound on payloads of at most 8 MiB"
	bounded      requirement = "a bound on delays"
	limited      requirement = "a bound on leases"
	oneplace     requirement = "moves that leave no copy behind when they are repeated"
	keyless      requirement = "unique keys that the queue cannot hold"
	charging     requirement = "crashes that are charged as failures"
	crashing     requirement = "a broker that can be killed"
	meddling     requirement = "a network that can be disturbed"
	filling      requirement = "a backend that can be filled"
	bulky        requirement = "large payloads"
	swallowing   requirement = "a network that swallows what is sent"
	foreign      requirement = "messages that other programs put on a queue"
)

// optional requirements are those that a provider may lack: the test is left out and noted,
// and no law is downgraded for it.
var optional = map[requirement]bool{
	costing: true, browsing: true, cancelling: true, rescheduling: true, purging: true, pausing: true, deleting: true,
	redriving: true, discarding: true, bounding: true, measuring: true, bounded: true, limited: true,
	keyless: true, charging: true, inexact: true, oneplace: true, excusing: true, filling: true, bulky: true, swallowing: true, foreign: true,
}

// mayLack reports whether the harness may lack what a test needs. A harness of one type
// of queue leaves the other types to the provider's other harnesses.
func (h *Harness) mayLack(n requirement) bool {
	switch n {
	case ordering, groupDelay:
		return h.Type != "" && h.Type != runtime.FIFO
	case levels, levelDelay:
		return h.Type != "" && h.Type != runtime.Priority
	case restarting, crashing, meddling:
		return h.Home != OnServer
	}
	return optional[n]
}

// missingRequirements finds out what the provider of h lacks for tests, with the reason
// for each.
func (h *Harness) missingRequirements(tb testing.TB) map[requirement]string {
	missing := make(map[requirement]string)
	no := func(n requirement, when bool, why string) {
		if when {
			missing[n] = why
		}
	}
	no(processes, h.Home == InProcess, "the tasks live in the process")
	no(reopening, h.Home == InProcess, "the tasks live in the process")
	no(cutting, h.cut() == nil, "the harness has neither Cut nor Network")
	no(meddling, h.Network == nil, "the harness has no Network")
	no(swallowing, h.Swallow == nil, "the harness has no Swallow")
	no(restarting, h.Restart == nil, "the harness has no Restart")
	no(crashing, h.Crash == nil, "the harness has no Crash")
	no(filling, h.Fill == nil, "the harness has no Fill")
	no(bulky, h.Large == 0, "the harness has no Large")
	no(foreign, h.Raw == nil, "the harness has no Raw")
	no(costing, h.Cost == nil, "the harness has no Cost")

	p, err := h.Open(h.Data(tb), driver.SystemClock)
	if err != nil {
		tb.Fatalf("open the provider: %v", err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "probe", Type: h.Type})
	if err != nil {
		tb.Fatalf("open a queue: %v", err)
	}
	has := q.Capabilities()
	if left := unstated(has); len(left) > 0 {
		tb.Fatalf("Capabilities of a queue of type %q: %s is 0, which promises nothing that a test could expect: set it (driver.Unlimited is a limit without a bound, driver.Exact a Granularity without rounding)",
			q.Config().Type, strings.Join(left, ", "))
	}
	h.caps = has
	says := func(field string) string { return "Capabilities." + field + " says so" }
	no(reopening, !has.Durable, says("Durable"))
	no(fencing, !has.Fencing, says("Fencing"))
	no(uniqueness, has.DedupWindow == 0, says("DedupWindow"))
	no(untilDone, !has.UniqueUntilDone, says("UniqueUntilDone"))
	no(counting, !has.CountsCrashes, says("CountsCrashes"))
	no(exact, !has.ExactCrashes, says("ExactCrashes"))
	no(inexact, has.ExactCrashes, says("ExactCrashes"))
	no(excusing, !has.CountsCrashes, says("CountsCrashes"))
	no(excusing, !has.Fencing, says("Fencing"))
	no(excusing, !has.FreeLeases, says("FreeLeases"))
	no(uncharged, !has.ForgivesCrashes, says("ForgivesCrashes"))
	no(refusing, !has.RefusesIDs, says("RefusesIDs"))
	no(keeping, !has.KeepsReleased, says("KeepsReleased"))
	no(arriving, !has.FirstInFirstOut, says("FirstInFirstOut"))
	no(turns, !has.FairGroups, says("FairGroups"))
	no(freeLeases, !has.FreeLeases, says("FreeLeases"))
	no(confirming, !has.ConfirmsAcks, says("ConfirmsAcks"))
	no(oneplace, !has.FreeLeases, says("FreeLeases"))
	no(oneplace, !has.RefusesIDs, says("RefusesIDs"))
	no(tallying, !has.CountsScheduled, says("CountsScheduled"))
	no(tallying, !has.CountsLeased, says("CountsLeased"))
	no(noticing, !has.CountsExpired, says("CountsExpired"))
	no(tracing, !has.CountsOrigins, says("CountsOrigins"))
	no(aging, !has.CountsAge, says("CountsAge"))
	no(delaying, shortDelays(has), says("MaxDelay"))
	no(bounded, has.MaxDelay == driver.Unlimited, says("MaxDelay"))
	no(limited, has.MaxLease == driver.Unlimited, says("MaxLease"))
	no(keyless, has.UniqueUntilDone && has.DedupWindow == driver.Unlimited, "the queue holds any")
	no(charging, has.ForgivesCrashes, says("ForgivesCrashes"))
	no(browsing, !has.Browse, says("Browse"))
	no(cancelling, !has.Cancel, says("Cancel"))
	no(rescheduling, !has.Reschedule, says("Reschedule"))
	no(purging, !has.Purge, says("Purge"))
	no(pausing, !has.Pause, says("Pause"))
	no(deleting, !has.Delete, says("Delete"))
	no(measuring, has.MaxPayload == driver.Unlimited || has.MaxPayload > 8<<20, says("MaxPayload"))
	no(redriving, !has.Redrive, says("Redrive"))
	no(discarding, !has.Discard, says("Discard"))
	h.probe(tb, ctx, p, missing)
	h.types = h.openableTypes(missing)
	return missing
}

// unstated are the fields of a queue's capabilities that no test can do without, and that
// say nothing.
func unstated(c driver.Capabilities) (fields []string) {
	for _, one := range []struct {
		field string
		zero  bool
	}{
		{"MaxLease", c.MaxLease == 0}, {"MaxPayload", c.MaxPayload == 0}, {"Granularity", c.Granularity == 0}, {"Lateness", c.Lateness == 0},
	} {
		if one.zero {
			fields = append(fields, one.field)
		}
	}
	return fields
}

// openableTypes returns the types of queues that could be opened.
func (h *Harness) openableTypes(missing map[requirement]string) []driver.QueueType {
	if h.Type != "" {
		return []driver.QueueType{h.Type}
	}
	types := []driver.QueueType{driver.Standard}
	if missing[ordering] == "" {
		types = append(types, runtime.FIFO)
	}
	if missing[levels] == "" {
		types = append(types, runtime.Priority)
	}
	return types
}

// shortDelays reports whether the delays of unrelated tests are too long for a queue.
func shortDelays(c driver.Capabilities) bool {
	return c.MaxDelay != driver.Unlimited && c.MaxDelay < time.Hour
}

// probe opens queues that a provider may not support.
func (h *Harness) probe(tb testing.TB, ctx context.Context, p runtime.Provider, missing map[requirement]string) {
	for _, one := range []struct {
		queue, delay requirement
		cfg          runtime.QueueConfig
	}{
		{ordering, groupDelay, runtime.QueueConfig{Name: "probe-fifo", Type: runtime.FIFO}},
		{levels, levelDelay, runtime.QueueConfig{Name: "probe-levels", Type: runtime.Priority, Levels: 3}},
		{bounding, "", runtime.QueueConfig{Name: "probe-bound", Type: h.Type, Capacity: 10}},
	} {
		why := ""
		if one.queue != bounding && h.mayLack(one.queue) {
			why = fmt.Sprintf("the harness tests queues of type %s", h.Type)
		} else if q, err := p.Open(ctx, one.cfg); errors.Is(err, runtime.ErrUnsupported) {
			why = fmt.Sprintf("Open returns %v", err)
		} else if err != nil {
			tb.Fatalf("open queue %q: %v", one.cfg.Name, err)
		} else if shortDelays(q.Capabilities()) && one.delay != "" {
			missing[one.delay] = "Capabilities.MaxDelay says so"
		}
		if why == "" {
			continue
		}
		missing[one.queue] = why
		if one.delay != "" {
			missing[one.delay] = why
		}
	}
}
