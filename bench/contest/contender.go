// Package contest measures several ways to use one broker beside each other: on
// the same server, with the same payload, in interleaved rounds, so that what
// disturbs the machine for a while disturbs them all.
//
// A program of a broker declares the server and the contenders and calls [Main].
package contest

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/bench/contest/tasks"
)

// What all contenders have in common.
const (
	Batch       = 200  // tasks in one call of EnqueueBatch
	Callers     = 32   // goroutines that enqueue at the same time
	Workers     = 32   // handlers that may run at the same time
	UnderWay    = 1000 // tasks of Flow that are enqueued and not handled, at most
	PayloadSize = 300  // bytes
)

// A Contender is one way to use the broker.
type Contender struct {
	Name string
	// Settings says what it is and how it is set up, and why.
	Settings string
	// LatencyOnly leaves out the rates: for settings that change nothing but how
	// soon a task is picked up.
	LatencyOnly bool
	// Open opens a queue that is empty.
	Open func(ctx context.Context, url string) (Queue, error)
}

// A Queue is what is measured. Its methods are called by many goroutines.
type Queue interface {
	// Enqueue enqueues one task and returns when the broker has it.
	Enqueue(ctx context.Context) error
	// Work runs handle for each task on up to Workers goroutines until stop is
	// called, and acknowledges the task when handle returns. stop returns once
	// what was handled is acknowledged.
	Work(ctx context.Context, handle func(due int64)) (stop func(ctx context.Context) error, err error)
	Close(ctx context.Context) error
}

// A Batcher enqueues up to Batch tasks in one call.
type Batcher interface {
	EnqueueBatch(ctx context.Context, n int) error
}

// A Delayer enqueues a task that is not to be run before its time.
type Delayer interface {
	EnqueueAt(ctx context.Context, due time.Time) error
}

// A Counter counts the tasks that were not acknowledged.
type Counter interface {
	Left(ctx context.Context) (int64, error)
}

// A Process is a queue whose client is not this process. CPU is what it has used so far.
type Process interface {
	CPU(ctx context.Context) (time.Duration, error)
}

// Payload is the NoopTask that is due at the given time, as JSON of PayloadSize
// bytes: what the peers carry.
func Payload(due time.Time) []byte {
	data, err := json.Marshal(task(due))
	if err != nil {
		panic(err) // an integer and a text
	}
	return data
}

// Due is when a payload is due.
func Due(payload []byte) int64 {
	const before = len(`{"due":`)
	due, err := strconv.ParseInt(string(payload[before:before+19]), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("a payload of another's: %q", payload))
	}
	return due
}

func task(due time.Time) tasks.NoopTask {
	return tasks.NoopTask{Due: due.UnixNano(), Text: filling}
}

var filling = strings.Repeat("x", PayloadSize-len(`{"due":1234567890123456789,"text":""}`))
