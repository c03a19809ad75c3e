package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// advice says how bad a problem of a queue is, and what to do. QUEUE stands for its name.
var advice = map[v1.QueueProblemKind]struct {
	level Level
	text  string
}{
	v1.QueueProblemKind_QUEUE_PROBLEM_KIND_UNREACHABLE:    {Problem, "check that the broker runs, and the rights of its user"},
	v1.QueueProblemKind_QUEUE_PROBLEM_KIND_PAUSED:         {Warning, "taskq queue resume QUEUE, once the reason for the pause is gone: taskq audit ls --subject QUEUE"},
	v1.QueueProblemKind_QUEUE_PROBLEM_KIND_NO_WORKERS:     {Problem, "start workers for the queue, or resume quiet ones: taskq worker ls"},
	v1.QueueProblemKind_QUEUE_PROBLEM_KIND_UNHANDLED_TYPE: {Problem, "deploy workers that have a handler for the type"},
	v1.QueueProblemKind_QUEUE_PROBLEM_KIND_BEHIND:         {Warning, "add workers, or look what they are busy with: taskq top"},
	v1.QueueProblemKind_QUEUE_PROBLEM_KIND_DEAD_LETTERS:   {Warning, "taskq dlq groups QUEUE says what they died of"},
}

// health asks the server what is wrong with its queues.
func (e *examination) health(ctx context.Context) error {
	res, err := e.c.Monitoring.GetQueueHealth(ctx, &v1.GetQueueHealthRequest{})
	if err != nil {
		return err
	}
	for _, q := range res.GetQueues() {
		for _, p := range q.GetProblems() {
			known, ok := advice[p.GetKind()]
			if !ok {
				known.level = Warning
			}
			e.add(known.level, "health", q.GetQueue(), p.GetMessage(), strings.ReplaceAll(known.text, "QUEUE", q.GetQueue()))
		}
	}
	return nil
}

// staleAfter is how old a heartbeat of a worker may be: three are missing then.
const staleAfter = 30 * time.Second

// fleet looks at the workers.
func (e *examination) fleet(ctx context.Context) error {
	if !e.info.GetFleet() {
		e.add(Note, "workers", "", "there is no fleet: what works on the queues cannot be seen", "set the section fleet of the workers and of the server, where the provider keeps one (docs/fleet.md)")
		return nil
	}
	res, err := e.c.Monitoring.ListWorkers(ctx, &v1.ListWorkersRequest{})
	if err != nil {
		return err
	}
	e.workers = res.GetWorkers()
	for _, w := range e.workers {
		switch {
		case w.GetError() != "":
			e.add(Warning, "workers", w.GetName(), "it cannot be read: "+w.GetError(), "update the server: the worker may be of a later version")
		case w.GetQuiet():
			e.add(Note, "workers", w.GetName(), "it is quiet: it begins no more tasks", "taskq worker resume "+w.GetName())
		}
	}
	return nil
}

// skew is by how much clocks may differ, the time of a call included.
const skew = 2 * time.Second

// clocks compares those of this machine, of the server, of the store of the fleet and of the
// workers, as far as each has said a time.
func (e *examination) clocks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	began := e.now()
	stream, err := e.c.Monitoring.StreamMetrics(ctx, &v1.StreamMetricsRequest{Interval: durationpb.New(time.Minute)})
	if err != nil {
		return err
	}
	defer stream.Close()
	if !stream.Receive() {
		return stream.Err()
	}
	at, ended := stream.Msg().GetAt().AsTime(), e.now()
	switch {
	case at.Before(began.Add(-skew)):
		e.add(Warning, "clocks", e.c.Name, fmt.Sprintf("its clock is %s behind the one of this machine", began.Sub(at).Round(time.Millisecond)), "have both synchronised by NTP")
	case at.After(ended.Add(skew)):
		e.add(Warning, "clocks", e.c.Name, fmt.Sprintf("its clock is %s ahead of the one of this machine", at.Sub(ended).Round(time.Millisecond)), "have both synchronised by NTP")
	}
	for _, w := range e.workers {
		e.workerClock(w, ended)
	}
	return nil
}

// workerClock compares what a worker says by its clock with its heartbeat, which has the time of
// the store.
func (e *examination) workerClock(w *v1.Worker, now time.Time) {
	if w.GetHeartbeatAt() == nil {
		return
	}
	heard := w.GetHeartbeatAt().AsTime()
	latest := w.GetStartedAt().AsTime()
	for _, r := range w.GetRunning() {
		if since := r.GetSince().AsTime(); since.After(latest) {
			latest = since
		}
	}
	switch {
	case latest.After(heard.Add(skew)):
		e.add(Warning, "clocks", w.GetName(), fmt.Sprintf("the worker's clock is at least %s ahead of the one of the broker", latest.Sub(heard).Round(time.Millisecond)), "have both synchronised by NTP")
	case heard.After(now.Add(skew)):
		e.add(Warning, "clocks", w.GetName(), fmt.Sprintf("its last heartbeat is %s in the future: the broker's clock is ahead of the one of this machine", heard.Sub(now).Round(time.Millisecond)), "have both synchronised by NTP")
	case heard.Before(now.Add(-staleAfter)):
		e.add(Warning, "workers", w.GetName(), fmt.Sprintf("it was last heard of %s ago", now.Sub(heard).Round(time.Second)), "look whether it hangs, or whether the broker's clock is behind")
	}
}

// topology compares the queues with those that the types name.
func (e *examination) topology(ctx context.Context) error {
	res, err := e.c.Monitoring.ListTypes(ctx, &v1.ListTypesRequest{})
	if err != nil {
		return err
	}
	e.types = res.GetTypes()
	known := make(map[string]bool)
	for _, q := range e.queues {
		known[q.GetInfo().GetName()] = true
	}
	for _, t := range e.types {
		if t.GetQueue() != "" && !known[t.GetQueue()] {
			e.add(Warning, "types", t.GetName(), fmt.Sprintf("the code puts its tasks on the queue %s, which neither the server nor a worker has", t.GetQueue()), "add the queue to the configuration of the workers, or remove the type")
		}
	}
	return nil
}

// leases compares the leases of queues with how long their types may run.
func (e *examination) leases(context.Context) error {
	visibility := make(map[string]time.Duration)
	for _, q := range e.queues {
		if q.GetOpen() {
			visibility[q.GetInfo().GetName()] = q.GetInfo().GetVisibility().AsDuration()
		}
	}
	for _, t := range e.types {
		lease, ok := visibility[t.GetQueue()]
		if timeout := t.GetTimeout().AsDuration(); ok && lease > 0 && timeout > lease {
			e.add(Note, "leases", t.GetName(), fmt.Sprintf("a run may take %s, and the leases of the queue %s last %s", timeout, t.GetQueue(), lease),
				"workers in Go and subscriptions extend leases by themselves; a worker that calls Dequeue must call Extend in time, or raise the visibility of the queue")
		}
	}
	return nil
}

// permissions says what the token allows.
func (e *examination) permissions(context.Context) error {
	switch {
	case e.c.Local:
	case e.info.GetRole() == "viewer":
		e.add(Note, "permissions", e.c.Name, fmt.Sprintf("the token is that of %s, and may change nothing: its role is viewer", e.info.GetCaller()), "use a token with the role operator or admin to change something")
	case e.info.GetRole() != "": // which a server of an earlier version does not say
		e.add(OK, "permissions", e.c.Name, fmt.Sprintf("the token is that of %s, and its role is %s", e.info.GetCaller(), e.info.GetRole()), "")
	}
	return nil
}
