package server

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/fleet"
)

// behindAfter is how long the oldest ready task may wait.
const behindAfter = 5 * time.Minute

// workersForHealth are the workers of the fleet, or nil if they do not show what lacks: there
// is no fleet, it cannot be read, or one of the workers cannot be.
func (s *Server) workersForHealth(ctx context.Context) []*fleet.Worker {
	if s.cfg.Fleet == nil {
		return nil
	}
	workers, err := s.cfg.Fleet.List(ctx)
	if err != nil {
		s.log().LogAttrs(ctx, slog.LevelWarn, "the health of queues is told without their workers: the fleet cannot be read", slog.String("error", err.Error()))
		return nil
	}
	for _, w := range workers {
		if w.Err != nil {
			return nil
		}
	}
	return append([]*fleet.Worker{}, workers...)
}

// problems are what is wrong with a queue, by its numbers and the workers. Without workers
// (nil) nothing is said of those that lack.
func (s *Server) problems(sample *v1.QueueSample, workers []*fleet.Worker) []*v1.QueueProblem {
	var all []*v1.QueueProblem
	add := func(kind v1.QueueProblemKind, format string, args ...any) {
		all = append(all, &v1.QueueProblem{Kind: kind, Message: fmt.Sprintf(format, args...)})
	}
	if sample.GetError() != "" {
		add(v1.QueueProblemKind_QUEUE_PROBLEM_KIND_UNREACHABLE, "the numbers of the queue cannot be read: %s", sample.GetError())
	}
	stats := sample.GetStats()
	ready, age := stats.GetReady(), stats.GetOldestAge().AsDuration().Round(time.Second)
	if sample.GetPaused() {
		add(v1.QueueProblemKind_QUEUE_PROBLEM_KIND_PAUSED, "the queue is paused, %s", waiting(ready))
	}
	if workers != nil {
		takers := takersOf(sample, workers)
		if ready > 0 && !slices.ContainsFunc(takers, func(w *fleet.Worker) bool { return !w.Quiet }) {
			add(v1.QueueProblemKind_QUEUE_PROBLEM_KIND_NO_WORKERS, "%s, and %s", waiting(ready), noTakers(takers, len(workers)))
		}
		for _, name := range s.unhandled(sample.GetQueue(), takers) {
			add(v1.QueueProblemKind_QUEUE_PROBLEM_KIND_UNHANDLED_TYPE, "the type %q is declared for the queue, and none of the workers that take from it (%d) has a handler for it", name, len(takers))
		}
	}
	if age > behindAfter {
		add(v1.QueueProblemKind_QUEUE_PROBLEM_KIND_BEHIND, "the oldest ready task has waited for %s, %s", age, waiting(ready))
	}
	if dead := stats.GetDead(); dead > 0 {
		add(v1.QueueProblemKind_QUEUE_PROBLEM_KIND_DEAD_LETTERS, "%s on the dead letter queue %q", tasks(dead), s.dlqOf(sample.GetQueue()))
	}
	return all
}

// takersOf are the workers that take tasks from a queue, the quiet ones too.
func takersOf(sample *v1.QueueSample, workers []*fleet.Worker) []*fleet.Worker {
	var takers []*fleet.Worker
	for _, w := range workers {
		if slices.Contains(w.Queues, fleet.Queue{Name: sample.GetQueue(), Provider: sample.GetProvider()}) {
			takers = append(takers, w)
		}
	}
	return takers
}

// noTakers says why nobody takes tasks, of quiet workers and of all there are.
func noTakers(quiet []*fleet.Worker, of int) string {
	if len(quiet) == 0 {
		return fmt.Sprintf("no worker takes from the queue: the fleet has %d", of)
	}
	names := make([]string, 0, len(quiet))
	for _, w := range quiet {
		names = append(names, w.Name)
	}
	return "every worker that takes from the queue is quiet: " + strings.Join(names, ", ")
}

// unhandled are the types that are declared for a queue and that none of its workers handles.
func (s *Server) unhandled(queue string, takers []*fleet.Worker) []string {
	cfg, _, err := s.cfg.Manager.Declared(queue)
	if err != nil { // the manager has been closed meanwhile
		return nil
	}
	declared := cfg.Types
	for _, own := range s.types.own {
		if own.Queue == queue && !slices.Contains(declared, own.Name) {
			declared = append(declared, own.Name)
		}
	}
	return slices.DeleteFunc(declared, func(name string) bool {
		return slices.ContainsFunc(takers, func(w *fleet.Worker) bool { return slices.Contains(w.Types, name) })
	})
}

func (s *Server) dlqOf(queue string) string {
	cfg, _, err := s.cfg.Manager.Declared(queue)
	if err != nil { // the manager has been closed meanwhile
		return queue + "-dlq"
	}
	return cfg.DLQ
}

// waiting counts ready tasks.
func waiting(n int64) string {
	switch n {
	case 0:
		return "no task is ready"
	case 1:
		return "1 task is ready"
	}
	return fmt.Sprintf("%d tasks are ready", n)
}

// tasks counts tasks.
func tasks(n int64) string {
	if n == 1 {
		return "1 task is"
	}
	return fmt.Sprintf("%d tasks are", n)
}
