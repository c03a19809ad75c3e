package driver

import (
	"context"
	"sync"
)

// A Deleter deletes its queue.
type Deleter interface {
	// Delete removes the queue for good, with everything that its provider keeps for it:
	// ready, scheduled and leased tasks, unique keys, the pause, its dead tasks, and the
	// structures of the backend. It deletes the dead letter queue, too, unless other queues
	// name it: then it removes only the tasks that died on this queue from it. Providers
	// document where they leave a dead letter queue as it is, because they cannot tell whose
	// it is, or whose tasks are on it.
	//
	// Delete begins by closing this handle and every other one of the queue that the same
	// provider has opened, whatever it returns in the end; those of a dead letter queue that
	// it deletes are closed, too. Their methods return ErrClosed. Of this handle only Delete
	// may be called again: after an error it continues, and after it has returned nil it does
	// nothing and returns nil.
	//
	// Stop the workers and producers of the queue in other processes first. A handle that is
	// still open elsewhere either gets an error wrapping ErrUnknownQueue, or finds an empty
	// queue, which it may make again. Providers document which of the two.
	//
	// A queue that another process has deleted is no error. If the process dies before
	// Delete has returned, the rest is removed by opening the queue and deleting it again. A
	// queue of the same name that is opened afterwards is new and empty; a provider may
	// refuse to open one for a while.
	//
	// On a dead letter queue the error wraps ErrUnsupported, and the handle stays open: a dead
	// letter queue is deleted with the queue that names it.
	Delete(ctx context.Context) error
}

// A Deletion is what a handle of a queue remembers of its Delete, for providers. The zero
// Deletion is that of a handle on which Delete was not called yet. It is safe for concurrent
// use: calls wait for one another.
type Deletion struct {
	mu          sync.Mutex
	begun, done bool
}

// Run carries out one call of [Deleter.Delete] with a provider's functions. The first call
// returns the error of open, which is that of a closed handle, or calls closeAll, which
// closes the handles. Each call then calls remove, until that returns nil.
func (d *Deletion) Run(ctx context.Context, open func() error, closeAll func(), remove func(context.Context) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !d.begun {
		if err := open(); err != nil {
			return err
		}
		d.begun = true
		closeAll()
	}
	if err := remove(ctx); err != nil {
		return err
	}
	d.done = true
	return nil
}
