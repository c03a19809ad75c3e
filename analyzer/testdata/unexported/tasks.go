// Package unexported keeps its task to itself.
//
//taskgen:defaults timeout=1m
//taskgen:retry none
//taskgen:queue name=pings
package unexported

import (
	"context"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// pingTask pings a host.
//
//taskgen:task queue=pings schedulable
type pingTask struct {
	Host string `json:"host"`
}

// Ping ignores all errors.
func Ping(ctx context.Context, m *runtime.Manager, s schedule.Scheduler) {
	enqueuePing(ctx, m, pingTask{})                   // want `the error of enqueuePing is ignored`
	enqueuePingBatch(ctx, m, nil)                     // want `the error of enqueuePingBatch is ignored`
	schedulePing(ctx, s, schedule.When{}, pingTask{}) // want `the error of schedulePing is ignored`
	_ = modifyPing(ctx, s, "id", pingTask{})          // want `the error of modifyPing is ignored`
	_ = enqueuePong(ctx, m, pingTask{})
}

func enqueuePong(ctx context.Context, to runtime.Enqueuer, task pingTask) error { return nil }
