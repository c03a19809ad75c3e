// Package doctor looks for what is wrong with queues, their workers and their broker, by the API.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// A Level says how bad a Finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"      // what was looked at is in order
	Note    Level = "note"    // worth knowing
	Warning Level = "warning" // may go wrong
	Problem Level = "problem" // goes wrong now
)

// A Finding is what one check has found.
type Finding struct {
	Level Level `json:"level"`
	// Check is what was looked at, and Subject what it is about: a queue, a worker, a type.
	Check   string `json:"check"`
	Subject string `json:"subject"`
	// Evidence is what was seen, and Advice what to do about it.
	Evidence string `json:"evidence"`
	Advice   string `json:"advice"`
}

// An examination collects findings.
type examination struct {
	c   *target.Client
	now func() time.Time
	all []Finding

	info    *v1.GetClusterInfoResponse
	queues  []*v1.ListedQueue
	workers []*v1.Worker
	types   []*v1.TaskType
}

func (e *examination) add(level Level, check, subject, evidence, advice string) {
	e.all = append(e.all, Finding{level, check, subject, evidence, advice})
}

// Examine looks at everything. notes are what the providers have warned of when they were
// opened, and version is that of this program. The error is that of the first call, without
// which there is nothing to look at.
func Examine(ctx context.Context, c *target.Client, notes []string, version string) ([]Finding, error) {
	e := &examination{c: c, now: time.Now}
	if err := e.reach(ctx, version); err != nil {
		return nil, err
	}
	for _, note := range notes {
		e.add(Warning, "broker", "", note, "docs/providers.md says how to set up the broker")
	}
	for _, check := range []struct {
		name string
		run  func(ctx context.Context) error
	}{
		{"queues", e.list}, {"health", e.health}, {"workers", e.fleet}, {"clocks", e.clocks}, {"types", e.topology}, {"leases", e.leases}, {"permissions", e.permissions},
	} {
		before := len(e.all)
		if err := check.run(ctx); err != nil {
			e.add(Warning, check.name, "", "this could not be looked at: "+err.Error(), "mend that, and run the command again")
		}
		if len(e.all) == before {
			e.add(OK, check.name, "", "nothing is wrong", "")
		}
	}
	return e.all, nil
}

// reach makes the first call.
func (e *examination) reach(ctx context.Context, version string) error {
	began := e.now()
	info, err := e.c.Monitoring.GetClusterInfo(ctx, &v1.GetClusterInfoRequest{})
	if err != nil {
		return err
	}
	e.info = info
	e.add(OK, "reachable", e.c.Name, fmt.Sprintf("it answers within %s, with %d queues", e.now().Sub(began).Round(time.Millisecond), info.GetQueues()), "")
	if !e.c.Local && info.GetVersion() != version {
		e.add(Note, "version", e.c.Name, fmt.Sprintf("the server has version %s, and this program %s", info.GetVersion(), version), "use the same version where a command does not work")
	}
	return nil
}

// list reads the queues.
func (e *examination) list(ctx context.Context) error {
	res, err := e.c.Admin.ListQueues(ctx, &v1.ListQueuesRequest{})
	e.queues = res.GetQueues()
	for _, q := range e.queues {
		if !q.GetOpen() {
			e.add(Warning, "queues", q.GetInfo().GetName(), fmt.Sprintf("workers take from the queue (%d), and the server does not have it open: it cannot show or change it", q.GetWorkers()), "open it where the server runs: add it to its configuration")
		}
	}
	return err
}

// Worst is the highest level of findings.
func Worst(all []Finding) Level {
	worst := OK
	rank := map[Level]int{OK: 0, Note: 1, Warning: 2, Problem: 3}
	for _, f := range all {
		if rank[f.Level] > rank[worst] {
			worst = f.Level
		}
	}
	return worst
}
