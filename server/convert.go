package server

import (
	"context"
	"maps"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// timestamp is a time as a message; nil for the zero time.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// duration is a duration as a message; nil for 0.
func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// taskOf is a task as people may see it.
func (s *Server) taskOf(ctx context.Context, t *runtime.Task) *v1.Task {
	m := taskWithout(t)
	m.Payload = s.types.redacted(ctx, t)
	return m
}

// taskWithout is a task without its payload.
func taskWithout(t *runtime.Task) *v1.Task {
	metadata := maps.Clone(t.Metadata)
	maps.DeleteFunc(metadata, func(key, _ string) bool { return strings.HasPrefix(key, "taskgen.") })
	return &v1.Task{
		Id: t.ID, Type: t.Type, Queue: t.Queue, Encoding: t.Encoding, Priority: int32(t.Priority), GroupKey: t.GroupKey, UniqueKey: t.UniqueKey, Metadata: metadata,
		CreatedAt: timestamp(t.CreatedAt), DueAt: timestamp(t.DueAt()), MaxRetries: int32(t.MaxRetries), RetryCount: int32(t.RetryCount), Timeout: duration(t.Timeout),
		Shape: t.Shape,
	}
}

var states = map[driver.State]v1.TaskState{
	driver.Ready: v1.TaskState_TASK_STATE_READY, driver.Scheduled: v1.TaskState_TASK_STATE_SCHEDULED, driver.Leased: v1.TaskState_TASK_STATE_LEASED,
	driver.Dead: v1.TaskState_TASK_STATE_DEAD, driver.Done: v1.TaskState_TASK_STATE_DONE,
}

// statsOf are the numbers of a queue.
func statsOf(s driver.Stats) *v1.QueueStats {
	return &v1.QueueStats{Ready: s.Ready, Scheduled: s.Scheduled, Leased: s.Leased, Dead: s.Dead, OldestAge: duration(s.OldestAge)}
}
