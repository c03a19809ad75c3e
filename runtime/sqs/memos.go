package sqs

import (
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// Bounds of what is remembered.
const (
	maxMemos = 50_000
	memoLife = 24 * time.Hour
)

// memos remember, for queues whose receive count is the attempt, what the count
// alone does not tell. They are this process's, and so a help and no promise: a
// message that another process receives is charged by its count.
type memos struct {
	mu  sync.Mutex
	all map[string]*memo // by SQS's message ID
}

func newMemos() *memos { return &memos{all: make(map[string]*memo)} }

func (ms *memos) get(id string) *memo {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if m := ms.all[id]; m != nil {
		c := *m
		return &c
	}
	return nil
}

// unused notes that a receive was nobody's attempt.
func (ms *memos) unused(m *message) {
	ms.note(m, func(n *memo) {
		if n.task != nil {
			n.receives++
		} else {
			n.free++
		}
	})
}

// left notes the task as its worker left it.
func (ms *memos) left(m *message, t *runtime.Task) {
	ms.note(m, func(n *memo) { n.task, n.receives = t.Clone(), m.receives })
}

func (ms *memos) note(m *message, write func(*memo)) {
	now := m.lane.e.p.clock.Now()
	ms.mu.Lock()
	defer ms.mu.Unlock()
	n := ms.all[m.id]
	if n == nil {
		if len(ms.all) >= maxMemos {
			ms.sweep(now)
		}
		n = &memo{}
		ms.all[m.id] = n
	}
	n.at = now
	write(n)
}

// sweep makes room: what is old goes, and where all is new, half of it.
func (ms *memos) sweep(now time.Time) {
	for id, n := range ms.all {
		if now.Sub(n.at) > memoLife {
			delete(ms.all, id)
		}
	}
	for id := range ms.all {
		if len(ms.all) < maxMemos/2 {
			return
		}
		delete(ms.all, id)
	}
}

// settled forgets a message that is gone for good. One that was released is
// still there: its memo was written for the release.
func (ms *memos) settled(m *message) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if n := ms.all[m.id]; n != nil && (n.task == nil || n.receives != m.receives) {
		delete(ms.all, m.id)
	}
}
