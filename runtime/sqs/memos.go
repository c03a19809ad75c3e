package sqs

import (
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of what is remembered.
const (
	maxMemos = 50_000
	memoLife = 24 * time.Hour
)

// memos remember, for queues whose messages stay where they are when their tasks are
// released, what a task's worker left: SQS cannot keep it. They are this process's, and
// so a help and no promise.
type memos struct {
	mu  sync.Mutex
	all map[string]*memo // by SQS's message ID
}

// A memo is a task as its last worker left it.
type memo struct {
	task     *driver.Task
	receives int // of the message, when it was noted
	at       time.Time
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

// left notes the task as its worker left it.
func (ms *memos) left(m *message, t *driver.Task) {
	now := m.lane.e.p.clock.Now()
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if ms.all[m.id] == nil && len(ms.all) >= maxMemos {
		ms.sweep(now)
	}
	ms.all[m.id] = &memo{task: t.Clone(), receives: m.receives, at: now}
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
	if n := ms.all[m.id]; n != nil && n.receives != m.receives {
		delete(ms.all, m.id)
	}
}
