package fleetstore

import (
	"context"
	"errors"
	"time"
)

// ErrWorkerNotFound: there is no worker with this ID, or no longer.
var ErrWorkerNotFound = errors.New("taskgen: worker not found")

// A Store keeps what workers say about themselves, and the orders to them. It is safe for
// concurrent use, by many processes if the backend allows. Whatever it keeps ends by its
// own clock: those of workers and operators may differ. It may keep something up to 2 s longer.
type Store interface {
	// Heartbeat keeps w for ttl, in place of what the worker with its ID said before, and
	// returns the orders to it in the order in which they were sent. Before that it
	// removes the orders whose Seq is done or lower: those that the worker has carried
	// out. The others come again with the next heartbeat, until they expire.
	Heartbeat(ctx context.Context, w *Worker, done int64, ttl time.Duration) ([]Order, error)
	// Leave removes a worker and the orders to it. One that is gone is no error.
	Leave(ctx context.Context, id string) error
	// List returns the workers whose time to live is not over, in any order.
	List(ctx context.Context) ([]*Worker, error)
	// Send keeps an order to the worker o.Worker for ttl, and sets o.Seq: it is positive,
	// and higher than those of the orders to that worker that the store has. The error
	// wraps ErrWorkerNotFound unless List would return the worker.
	Send(ctx context.Context, o *Order, ttl time.Duration) error
	// PutTypes keeps descriptions of types for ttl, which starts again for those that the
	// store has already. These need not be written again. Each has at most MaxTypeSize
	// bytes.
	PutTypes(ctx context.Context, types []Type, ttl time.Duration) error
	// Types returns the descriptions whose time to live is not over: of one type all that
	// differ, the one that was put last behind the others.
	Types(ctx context.Context) ([]Type, error)
}

// MaxTypeSize bounds the description of a type, as [Type.Encode] writes it, in bytes.
const MaxTypeSize = 256 << 10
