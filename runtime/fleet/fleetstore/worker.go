package fleetstore

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Worker is a pool that works, as it described itself at its last heartbeat. It holds
// no payload.
type Worker struct {
	// ID identifies the worker from its start to its stop. It has a new one when it is
	// started again.
	ID    string `json:"id"`
	Name  string `json:"name"` // PoolConfig.Name, or what stands for it
	Host  string `json:"host,omitempty"`
	PID   int    `json:"pid"`
	Build Build  `json:"build"`
	// StartedAt is by the clock of the worker's machine, HeartbeatAt by the store's.
	StartedAt   time.Time `json:"started_at"`
	HeartbeatAt time.Time `json:"-"`
	Queues      []Queue   `json:"queues,omitempty"`
	Types       []string  `json:"types,omitempty"` // the names of those that it has handlers for
	Slots       int       `json:"slots"`           // how many tasks it runs at a time
	Busy        int       `json:"busy"`            // how many it runs
	// Quiet says that the worker has carried out an order to begin nothing more.
	Quiet bool `json:"quiet,omitempty"`
	// Running are the tasks that it runs, the longest running first. Of more than 100 the
	// others are left out: Busy is higher then.
	Running []Run `json:"running,omitempty"`
	// Err is why this build cannot read what the worker has said: only ID and HeartbeatAt
	// are set then.
	Err error `json:"-"`
}

// A Build says what program a worker is, as the go command stamps it.
type Build struct {
	Path     string `json:"path,omitempty"`     // of the main package
	Version  string `json:"version,omitempty"`  // of its module; "(devel)" of a working copy
	Revision string `json:"revision,omitempty"` // of the version control system
	Modified bool   `json:"modified,omitempty"` // there were changes on top of Revision
	Go       string `json:"go,omitempty"`       // the version of Go
}

// A Queue is a queue that a worker takes tasks from.
type Queue struct {
	Name     string `json:"name"`
	Provider string `json:"provider"` // "redis"
}

// A Run is a task that a worker runs.
type Run struct {
	TaskID  string    `json:"task_id"`
	Type    string    `json:"type"`
	Queue   string    `json:"queue"`
	Attempt int       `json:"attempt"` // the charged runs, this one included
	Since   time.Time `json:"since"`   // by the clock of the worker's machine
}

// Encode writes the worker as a store keeps it. See DecodeWorker.
func (w *Worker) Encode() ([]byte, error) { return json.Marshal(w) }

// DecodeWorker reads what Encode wrote of the worker with the given ID. If this build
// cannot read it, it sets Worker.Err.
func DecodeWorker(id string, heartbeat time.Time, data []byte) *Worker {
	w := new(Worker)
	if err := json.Unmarshal(data, w); err != nil {
		w = &Worker{Err: fmt.Errorf("taskgen: worker %s cannot be read, a later version may have written it: %w", id, err)}
	}
	w.ID, w.HeartbeatAt = id, heartbeat
	return w
}

// An OrderKind says what a worker is to do.
type OrderKind string

// The kinds of orders.
const (
	OrderQuiet  OrderKind = "quiet"  // begin nothing more
	OrderResume OrderKind = "resume" // end that
	OrderCancel OrderKind = "cancel" // cancel the run of the task TaskID
)

// An Order is something that one worker is to do. To carry it out twice is the same as
// once.
type Order struct {
	Worker string    `json:"-"` // the worker's ID
	Seq    int64     `json:"-"` // its place among the orders to the worker: the store sets it
	Kind   OrderKind `json:"kind"`
	TaskID string    `json:"task_id,omitempty"`
}

// Encode writes the order as a store keeps it, apart from Worker and Seq.
func (o *Order) Encode() ([]byte, error) { return json.Marshal(o) }

// Decode reads what Encode wrote.
func (o *Order) Decode(data []byte) error {
	if err := json.Unmarshal(data, o); err != nil {
		return fmt.Errorf("taskgen: an order to worker %s: %w", o.Worker, err)
	}
	return nil
}
