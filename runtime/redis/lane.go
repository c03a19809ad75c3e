package redis

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A laneName names the keys of a lane.
type laneName struct {
	queue string
	dead  bool
}

// A laneKey identifies a lane. A queue that is opened with the wrong kind will be
// refused, and must not affect the one that is open.
type laneKey struct {
	laneName
	kind kind
}

// A lane is one set of keys with one hash tag: a queue's tasks, or its dead. A queue
// has one lane. A dead letter queue has its own lane, for tasks that were enqueued on
// it, and the dead of each queue that names it: in a Cluster these have other slots
// than the dead letter queue.
type lane struct {
	laneName
	p     *Provider
	kind  kind
	keys  [keyCount]any // strings, as commands take them
	lists atomic.Pointer[[]any]
	lobby lobby

	settled atomic.Int64 // when a dequeue last settled, on this process's clock
	adopted atomic.Int64 // when one last looked into the inbox and found it empty
	room    atomic.Int64 // how many bytes of envelopes a dequeue reads
	large   atomic.Bool  // tasks that were not noted as large are
}

// lane returns the lane of the name, one for all queues of this process.
func (p *Provider) lane(name laneName, k kind, levels int) (*lane, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	l := p.lanes[laneKey{name, k}]
	if l == nil {
		l = &lane{laneName: name, p: p, kind: k}
		for id, key := range laneKeys(p.prefix, name.queue, name.dead) {
			l.keys[id] = key
		}
		l.lobby.lane = l
		l.room.Store(bulk)
		l.setLevels(1)
		p.lanes[laneKey{name, k}] = l
	}
	l.setLevels(levels)
	return l, nil
}

// known returns a lane that was asked for before, or nil.
func (p *Provider) known(name laneName, k kind) *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lanes[laneKey{name, k}]
}

// setLevels raises the number of lists that the lane knows.
func (l *lane) setLevels(n int) {
	for {
		was := l.lists.Load()
		if was != nil && len(*was) >= n {
			return
		}
		keys := make([]any, n)
		for i := range keys {
			keys[i] = listKey(l.p.prefix, l.queue, strconv.Itoa(i))
		}
		if l.lists.CompareAndSwap(was, &keys) {
			return
		}
	}
}

func (l *lane) String() string {
	if l.dead {
		return fmt.Sprintf("the dead of queue %q", l.queue)
	}
	return fmt.Sprintf("queue %q", l.queue)
}

func (l *lane) key(id keyID) string { return l.keys[id].(string) }

// run sends one call of the lane, and says in an error where it failed.
func (l *lane) run(ctx context.Context, c *call) (any, error) {
	reply, err := l.p.run(ctx, c)
	if err != nil {
		return nil, l.failed(c, err)
	}
	return reply, nil
}

func (l *lane) failed(c *call, err error) error {
	return fmt.Errorf("redis: %s of %s: %w", c.script.name, l, explained(err, l.p.client))
}

// place is where in line a task belongs, as the scripts take it.
func (l *lane) place(t *driver.Task) string {
	switch {
	case l.kind == fifo:
		return escapeGroup(t.GroupKey)
	case t.Priority > 0:
		return strconv.Itoa(t.Priority)
	}
	return ""
}

// millis is a time in Unix milliseconds, rounded up: no task is early.
func millis(at time.Time) int64 {
	ms := at.UnixMilli()
	if at.Nanosecond()%int(time.Millisecond) > 0 {
		ms++
	}
	return ms
}

// span is a duration in milliseconds, rounded up.
func span(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}

// codesOf reads the reply of a script that answers 0, or a code for each of n
// items.
func codesOf(reply any, n int) ([]int64, error) {
	codes := make([]int64, n)
	switch r := reply.(type) {
	case int64:
		if r != 0 {
			return nil, errReply
		}
		return codes, nil
	case []any:
		if len(r) > n {
			return nil, errReply
		}
		for i := range r {
			code, ok := r[i].(int64)
			if !ok {
				return nil, errReply
			}
			codes[i] = code
		}
		return codes[:len(r)], nil
	}
	return nil, errReply
}
