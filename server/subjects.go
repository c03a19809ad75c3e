package server

import v1 "github.com/taskgen/taskgen/proto/taskgen/v1"

// subjectsOf are the names that a request has, and how many items it is about. It names each
// field that it reads, so that no payload, result or error comes along.
func subjectsOf(request any) (names []string, count int) {
	add := func(all ...string) {
		for _, name := range all {
			if name != "" && len(names) < maxSubjects {
				names = append(names, name)
			}
		}
	}
	task := func(t *v1.NewTask) { add(t.GetType(), t.GetQueue(), t.GetId()) }
	count = 1
	switch r := request.(type) {
	case *v1.EnqueueRequest:
		task(r.GetTask())
	case *v1.EnqueueBatchRequest:
		count = len(r.GetTasks())
		for _, t := range r.GetTasks() {
			task(t)
		}
	case *v1.PublishRequest:
		count = len(r.GetQueues())
		add(r.GetTask().GetType())
		add(r.GetQueues()...)
	case *v1.CompleteRequest:
		count = len(r.GetTasks())
		for _, t := range r.GetTasks() {
			add(t.GetLeaseId())
		}
	case *v1.FailRequest:
		count = len(r.GetTasks())
		for _, t := range r.GetTasks() {
			add(t.GetLeaseId())
		}
	case interface{ GetLeaseIds() []string }:
		count = len(r.GetLeaseIds())
		add(r.GetLeaseIds()...)
	case *v1.ScheduleJobRequest:
		add(r.GetId())
		task(r.GetTask())
	case interface {
		GetQueue() string
		GetIds() []string
	}:
		count = max(1, len(r.GetIds()))
		add(r.GetQueue())
		add(r.GetIds()...)
	case *v1.EditDeadLetterRequest:
		add(r.GetQueue(), r.GetId())
	case interface{ GetQueue() string }:
		add(r.GetQueue())
	case interface{ GetWorker() string }:
		add(r.GetWorker())
	case interface{ GetId() string }:
		add(r.GetId())
	}
	return names, count
}
