package driver

import (
	"fmt"
	"time"
)

// CheckDequeue returns an error unless limit and lease are arguments of a Dequeue. With
// its neighbours it gives all providers the same words for what they refuse.
func CheckDequeue(queue string, limit int, lease time.Duration) error {
	if limit < 1 || lease <= 0 {
		return fmt.Errorf("taskgen: dequeue %d tasks of queue %q for %v: both must be more than 0", limit, queue, lease)
	}
	return nil
}

// CheckExtend returns an error unless lease is the argument of an Extend.
func CheckExtend(queue string, lease time.Duration) error {
	if lease <= 0 {
		return fmt.Errorf("taskgen: extend leases of queue %q by %v: a lease must be longer than 0", queue, lease)
	}
	return nil
}

// CheckBrowse returns an error unless limit is the argument of a Browse.
func CheckBrowse(queue string, limit int) error {
	if limit < 1 {
		return fmt.Errorf("taskgen: browse %d tasks of queue %q: at least 1", limit, queue)
	}
	return nil
}

// QueueClosed is the error of a call on a closed queue. It wraps [ErrClosed].
func QueueClosed(queue string) error { return fmt.Errorf("queue %q: %w", queue, ErrClosed) }

// NoDLQ is the error of a DeadLetter on a dead letter queue. It wraps [ErrUnsupported].
func NoDLQ(queue string) error {
	return fmt.Errorf("%w: queue %q is a dead letter queue and has no dead letter queue: complete, redrive or discard its tasks", ErrUnsupported, queue)
}

// NoRedrive is the error of a Redrive on a dead letter queue. It wraps [ErrUnsupported].
func NoRedrive(dlq string) error {
	return fmt.Errorf("%w: redrive from the queue that the tasks died on, not from its dead letter queue %q", ErrUnsupported, dlq)
}

// NoDiscard is the error of a Discard on a dead letter queue. It wraps [ErrUnsupported].
func NoDiscard(dlq string) error {
	return fmt.Errorf("%w: discard on the queue that the tasks died on, or complete them on their dead letter queue %q", ErrUnsupported, dlq)
}

// NoDelete is the error of a Delete on a dead letter queue. It wraps [ErrUnsupported].
func NoDelete(dlq string) error {
	return fmt.Errorf("%w: delete the queue that the tasks died on, and its dead letter queue %q goes with it", ErrUnsupported, dlq)
}
