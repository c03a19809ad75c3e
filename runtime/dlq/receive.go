package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// MaxReceived is how many letters a box can hold while it reads a queue that lists
	// letters only by receiving them: all of them for a list, those not chosen for a
	// redrive. Beyond it, calls fail with runtime.ErrUnsupported.
	MaxReceived = 10_000
	// receiveLease hides received letters from others until they are given back, or for
	// that long if the process dies. A longer lease costs an extra request on SQS.
	receiveLease = 30 * time.Second
	// receiveWait is how long a scan waits for more letters before it considers the queue
	// empty. It is a little more than the shortest wait of an SQS long poll, which asks
	// all of its servers.
	receiveWait = 1100 * time.Millisecond
	// receiveBatch is how many letters are received, and given back, at once.
	receiveBatch = 100
)

// A receiveBackend is a queue whose dead tasks can be read only by receiving them (SQS,
// RabbitMQ).
type receiveBackend struct {
	queueBackend
	p runtime.Provider
}

func (s *receiveBackend) pageSize() int { return MaxReceived }

// browse returns tasks in the order of their deaths. The cursor is the sortKey of the last
// one in that order.
func (s *receiveBackend) browse(ctx context.Context, cursor string, limit int) ([]*runtime.Task, string, error) {
	tasks, err := s.receive(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("read the dead letters of queue %q: %w", s.q.Config().Name, err)
	}
	slices.SortFunc(tasks, func(a, b *runtime.Task) int { return strings.Compare(sortKey(a), sortKey(b)) })
	first, found := slices.BinarySearchFunc(tasks, cursor, func(t *runtime.Task, c string) int { return strings.Compare(sortKey(t), c) })
	if found {
		first++
	}
	tasks = tasks[first:]
	if len(tasks) <= limit {
		return tasks, "", nil
	}
	return tasks[:limit], sortKey(tasks[limit-1]), nil
}

// sortKey is a key that sorts by time of death. Metadata has no trailing zeros in the
// fraction of a second, so its texts do not sort.
func sortKey(t *runtime.Task) string {
	at, _ := time.Parse(time.RFC3339Nano, t.Metadata[driver.MetaFailedAt])
	return at.UTC().Format("2006-01-02T15:04:05.000000000Z") + "/" + t.ID
}

// receive receives every task on the dead letter queue, and returns those of the backend's
// queue.
func (s *receiveBackend) receive(ctx context.Context) (tasks []*runtime.Task, err error) {
	w, err := s.startScan(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	seen := make(map[string]bool) // a letter that was buried twice counts once
	for {
		ds, err := w.next(ctx, receiveBatch)
		if err != nil || len(ds) == 0 {
			return tasks, err
		}
		for _, d := range ds {
			if originQueue(d.Task) == s.q.Config().Name && !seen[d.Task.ID] {
				seen[d.Task.ID] = true
				tasks = append(tasks, d.Task.Clone())
			}
		}
	}
}

// originQueue is the queue on which a task died.
func originQueue(t *runtime.Task) string {
	if q := t.Metadata[driver.MetaOriginalQueue]; q != "" {
		return q
	}
	return t.Queue
}
