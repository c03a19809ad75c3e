// Package tasks declares the work that package ledger enqueues and runs: one type for
// each promise that it keeps the books of.
//
//taskgen:defaults timeout=1m
//taskgen:queue name=plain visibility=3s
//taskgen:queue name=ordered type=fifo visibility=3s
//taskgen:queue name=levels type=priority levels=3 visibility=3s
package tasks

//go:generate go run github.com/taskgen/taskgen/cmd/taskgen

// PlainTask may run anywhere and at any time, but not before it is due.
//
//taskgen:task queue=plain
//taskgen:retry max=8 backoff=constant base=100ms
type PlainTask struct {
	Work
}

// OrderedTask runs after those of its group that were enqueued before it.
//
//taskgen:task queue=ordered
//taskgen:retry max=8 backoff=constant base=100ms
type OrderedTask struct {
	Work
	Group string `json:"group" task:"required,group"`
}

// LevelTask is on a queue with levels.
//
//taskgen:task queue=levels
//taskgen:retry max=8 backoff=constant base=100ms
type LevelTask struct {
	Work
}

// UniqueTask holds a key until it is done.
//
//taskgen:task queue=plain
//taskgen:retry max=8 backoff=constant base=100ms
//taskgen:unique by=Key
type UniqueTask struct {
	Work
	Key string `json:"key" task:"required"`
}

// DoomedTask fails each time, and belongs on the dead letter queue.
//
//taskgen:task queue=plain
//taskgen:retry max=1 backoff=constant base=100ms
type DoomedTask struct {
	Work
}

// Work is what a handler does.
type Work struct {
	Milliseconds int `json:"milliseconds"` // that it takes
	Failures     int `json:"failures"`     // attempts that fail before one succeeds
	// Ballast makes the payload as large as it is long.
	Ballast string `json:"ballast,omitempty"`
}
