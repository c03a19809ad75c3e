package queuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// A need is what a test asks of a provider beyond the plain contract.
type need string

const (
	processes  need = "worker processes that can be killed"
	reopening  need = "data that outlives its provider"
	cutting    need = "a backend that can be cut off"
	restarting need = "a broker that can be restarted"
	fencing    need = "fencing by the backend"
	ordering   need = "queues of type fifo"
	levels     need = "queues of type priority"
	uniqueness need = "unique keys with a window"
	untilDone  need = "unique keys held until the task is done"
	counting   need = "crashes that are counted"
	uncharged  need = "crashes that are told from failures"

	costing      need = "work that can be counted"
	browsing     need = "Browse"
	cancelling   need = "Cancel"
	rescheduling need = "Reschedule"
	purging      need = "Purge"
	pausing      need = "Pause"
	redriving    need = "Redrive"
	discarding   need = "Discard"
	bounding     need = "a bound of its own on a queue's tasks"
	measuring    need = "a bound on payloads of at most 8 MiB"
)

// optional needs are those that a provider is free not to fill: the test is
// left out and noted, and no law is downgraded for it.
var optional = map[need]bool{
	costing: true, browsing: true, cancelling: true, rescheduling: true, purging: true, pausing: true,
	redriving: true, discarding: true, bounding: true, restarting: true, measuring: true,
}

// lacks finds out what the provider of h cannot give to tests, with the reason
// for each.
func (h *Harness) lacks(tb testing.TB) map[need]string {
	missing := make(map[need]string)
	no := func(n need, when bool, why string) {
		if when {
			missing[n] = why
		}
	}
	no(processes, h.Home == InProcess, "the tasks live in the process")
	no(reopening, h.Home == InProcess, "the tasks live in the process")
	no(cutting, h.Cut == nil, "the harness has no Cut")
	no(restarting, h.Home != OnServer, "there is no broker")
	no(costing, h.Cost == nil, "the harness has no Cost")

	p, err := h.Open(h.Data(tb), runtime.SystemClock)
	if err != nil {
		tb.Fatalf("open the provider: %v", err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "probe"})
	if err != nil {
		tb.Fatalf("open a queue: %v", err)
	}
	has := q.Capabilities()
	says := func(field string) string { return "Capabilities." + field + " says so" }
	no(reopening, !has.Durable, says("Durable"))
	no(fencing, !has.Fencing, says("Fencing"))
	no(uniqueness, has.DedupWindow == 0, says("DedupWindow"))
	no(untilDone, !has.UniqueUntilDone, says("UniqueUntilDone"))
	no(counting, !has.CountsCrashes, says("CountsCrashes"))
	no(uncharged, has.CrashIsAttempt, says("CrashIsAttempt"))
	no(browsing, !has.Browse, says("Browse"))
	no(cancelling, !has.Cancel, says("Cancel"))
	no(rescheduling, !has.Reschedule, says("Reschedule"))
	no(purging, !has.Purge, says("Purge"))
	no(pausing, !has.Pause, says("Pause"))
	no(measuring, has.MaxPayload == runtime.Unlimited || has.MaxPayload > 8<<20, says("MaxPayload"))
	no(redriving, !has.Redrive, says("Redrive"))
	no(discarding, !has.Discard, says("Discard"))
	for n, cfg := range map[need]runtime.QueueConfig{
		ordering: {Name: "probe-fifo", Type: runtime.FIFO},
		levels:   {Name: "probe-levels", Type: runtime.Priority, Levels: 3},
		bounding: {Name: "probe-bound", Capacity: 10},
	} {
		if _, err := p.Open(ctx, cfg); errors.Is(err, runtime.ErrUnsupported) {
			missing[n] = fmt.Sprintf("Open answers %v", err)
		} else if err != nil {
			tb.Fatalf("open queue %q: %v", cfg.Name, err)
		}
	}
	return missing
}
