package redis

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A keyspaceName names the keys of a keyspace.
type keyspaceName struct {
	queue string
	dead  bool
}

// A keyspaceID identifies a keyspace. A queue that is opened with the wrong kind will be
// refused, and must not affect the one that is open.
type keyspaceID struct {
	keyspaceName
	kind kind
}

// A keyspace is one set of keys with one hash tag: a queue's tasks, or its dead. A queue
// has one keyspace. A dead letter queue has its own keyspace, for tasks that were
// enqueued on it, and the dead of each queue that names it: in a Cluster these have other
// slots than the dead letter queue.
type keyspace struct {
	keyspaceName
	p         *Provider
	kind      kind
	keys      [keyCount]any // strings, as commands take them
	lists     atomic.Pointer[[]any]
	waitQueue waitQueue

	promotedAt    atomic.Int64 // when a dequeue last promoted and reaped, on this process's clock
	inboxReadAt   atomic.Int64 // when one last found the inbox empty
	readLimit     atomic.Int64 // how many bytes of envelopes a dequeue reads
	unmarkedLarge atomic.Bool  // tasks that are not marked as large are
}

// keyspace returns the keyspace of the name, one for all queues of this process.
func (p *Provider) keyspace(name keyspaceName, k kind, levels int) (*keyspace, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	ks := p.keyspaces[keyspaceID{name, k}]
	if ks == nil {
		ks = &keyspace{keyspaceName: name, p: p, kind: k}
		for id, key := range queueKeys(p.prefix, name.queue, name.dead) {
			ks.keys[id] = key
		}
		ks.waitQueue.keyspace = ks
		ks.readLimit.Store(maxScriptBytes)
		ks.setLevels(1)
		p.keyspaces[keyspaceID{name, k}] = ks
	}
	ks.setLevels(levels)
	return ks, nil
}

// known returns a keyspace that was asked for before, or nil.
func (p *Provider) known(name keyspaceName, k kind) *keyspace {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keyspaces[keyspaceID{name, k}]
}

// setLevels raises the number of lists that the keyspace knows.
func (ks *keyspace) setLevels(n int) {
	for {
		was := ks.lists.Load()
		if was != nil && len(*was) >= n {
			return
		}
		keys := make([]any, n)
		for i := range keys {
			keys[i] = listKey(ks.p.prefix, ks.queue, strconv.Itoa(i))
		}
		if ks.lists.CompareAndSwap(was, &keys) {
			return
		}
	}
}

func (ks *keyspace) String() string {
	if ks.dead {
		return fmt.Sprintf("the dead of queue %q", ks.queue)
	}
	return fmt.Sprintf("queue %q", ks.queue)
}

func (ks *keyspace) key(id keyID) string { return ks.keys[id].(string) }

// run sends one call of the keyspace, and says in an error where it failed.
func (ks *keyspace) run(ctx context.Context, c *call) (any, error) {
	reply, err := ks.p.run(ctx, c)
	if err != nil {
		return nil, ks.failed(c, err)
	}
	return reply, nil
}

func (ks *keyspace) failed(c *call, err error) error {
	return fmt.Errorf("redis: %s of %s: %w", c.script.name, ks, withRemedy(err, ks.p.client))
}

// levelOrGroup is the level or the group of a task, as the scripts take it.
func (ks *keyspace) levelOrGroup(t *driver.Task) string {
	switch {
	case ks.kind == fifo:
		return escapeGroup(t.GroupKey)
	case t.Priority > 0:
		return strconv.Itoa(t.Priority)
	}
	return ""
}

// unixMillis is a time in Unix milliseconds, rounded up: no task is early.
func unixMillis(at time.Time) int64 {
	ms := at.UnixMilli()
	if at.Nanosecond()%int(time.Millisecond) > 0 {
		ms++
	}
	return ms
}

// durationMillis is a duration in milliseconds, rounded up.
func durationMillis(d time.Duration) int64 {
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
