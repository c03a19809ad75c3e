package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

const (
	// MaxReceived is how many letters a box looks at on a queue that cannot list
	// them without receiving. A look at more fails with runtime.ErrUnsupported.
	MaxReceived = 10_000
	// receiveLease hides what a look has received from others, until it is given
	// back; for that long where the process dies on the way.
	receiveLease = time.Minute
	// receiveWait is how long a look waits for more before it takes the queue for
	// empty.
	receiveWait = time.Second
	// receiveBatch is how many letters are asked for at once, and given back.
	receiveBatch = 100
	// walkBatch is how many letters one call moves where each call reads the dead
	// letter queue from its head.
	walkBatch = 250
)

// A receivingShelf is a queue whose dead tasks can be seen by receiving them alone
// (SQS, RabbitMQ): a look leases all that is there, and gives it back.
type receivingShelf struct {
	queueShelf
	p runtime.Provider
}

func (s *receivingShelf) traits() traits {
	return traits{page: MaxReceived, batch: walkBatch, walks: true}
}

// browse returns tasks in the order in which they died. The cursor is the place
// of the last one in that order.
func (s *receivingShelf) browse(ctx context.Context, cursor string, limit int) ([]*runtime.Task, string, error) {
	tasks, err := s.receive(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("look at the dead letters of queue %q: %w", s.q.Config().Name, err)
	}
	slices.SortFunc(tasks, func(a, b *runtime.Task) int { return strings.Compare(place(a), place(b)) })
	first, found := slices.BinarySearchFunc(tasks, cursor, func(t *runtime.Task, c string) int { return strings.Compare(place(t), c) })
	if found {
		first++
	}
	tasks = tasks[first:]
	if len(tasks) <= limit {
		return tasks, "", nil
	}
	return tasks[:limit], place(tasks[limit-1]), nil
}

// place orders tasks by when they died. RFC 3339 leaves out zeros at the end of a
// fraction, so that its texts do not sort.
func place(t *runtime.Task) string {
	at, _ := time.Parse(time.RFC3339Nano, t.Metadata[runtime.MetaFailedAt])
	return at.UTC().Format("2006-01-02T15:04:05.000000000Z") + "/" + t.ID
}

// receive looks at every task on the dead letter queue, and returns those of the
// shelf's queue.
func (s *receivingShelf) receive(ctx context.Context) (tasks []*runtime.Task, err error) {
	cfg := s.q.Config()
	dead, err := s.p.Open(ctx, runtime.QueueConfig{Name: cfg.DLQ}) // its name alone: a dead letter queue has no groups and no levels
	if err != nil {
		return nil, err
	}
	var taken []*runtime.Delivery
	defer func() {
		err = errors.Join(err, giveBack(ctx, dead, taken), dead.Close())
	}()
	seen := make(map[string]bool)
	for len(taken) <= MaxReceived {
		waiting, cancel := context.WithTimeout(ctx, receiveWait)
		ds, err := dead.Dequeue(waiting, receiveBatch, receiveLease)
		cancel()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		taken = append(taken, ds...)
		again := false
		for _, d := range ds {
			if again = again || seen[d.Task.ID]; seen[d.Task.ID] {
				continue
			}
			seen[d.Task.ID] = true
			if origin(d.Task) == cfg.Name {
				tasks = append(tasks, d.Task.Clone())
			}
		}
		switch {
		case errors.Is(err, runtime.ErrNoTasks), err == nil && again: // the look takes so long that its leases end
			return tasks, nil
		case err != nil:
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: there are more than %d letters, and the queue lists none without receiving it: have a Processor store them", runtime.ErrUnsupported, MaxReceived)
}

// giveBack releases what was received. A lease that has ended needs no release.
func giveBack(ctx context.Context, dead runtime.Queue, ds []*runtime.Delivery) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveLease)
	defer cancel()
	for some := range slices.Chunk(ds, receiveBatch) {
		failed := dead.Release(ctx, some)
		for i := range some {
			if e := runtime.ErrorAt(failed, i); e != nil && !errors.Is(e, runtime.ErrLeaseLost) {
				err = fmt.Errorf("give back what was looked at: it comes back within %s: %w", receiveLease, e)
			}
		}
	}
	return err
}

// origin is the queue that a task died on.
func origin(t *runtime.Task) string {
	if q := t.Metadata[runtime.MetaOriginalQueue]; q != "" {
		return q
	}
	return t.Queue
}
