package sqs

import (
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of what is remembered.
const (
	maxHints = 50_000
	hintLife = 24 * time.Hour
)

// attemptHints keep tasks as their workers left them, for queues whose messages stay in
// place when their tasks are released: SQS cannot keep that. They are in the memory of this
// process only, so they may be lost.
type attemptHints struct {
	mu  sync.Mutex
	all map[string]*attemptHint // by SQS's message ID
}

// An attemptHint is a task as its last worker left it.
type attemptHint struct {
	task     *driver.Task
	receives int // of the message, when it was recorded
	at       time.Time
}

func newAttemptHints() *attemptHints { return &attemptHints{all: make(map[string]*attemptHint)} }

func (ms *attemptHints) get(id string) *attemptHint {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if m := ms.all[id]; m != nil {
		c := *m
		return &c
	}
	return nil
}

// record keeps the task as its worker left it.
func (ms *attemptHints) record(m *message, t *driver.Task) {
	now := m.source.state.p.clock.Now()
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if ms.all[m.id] == nil && len(ms.all) >= maxHints {
		ms.evict(now)
	}
	ms.all[m.id] = &attemptHint{task: t.Clone(), receives: m.receives, at: now}
}

// evict makes room: it removes old hints, and if none is old, half of them.
func (ms *attemptHints) evict(now time.Time) {
	for id, n := range ms.all {
		if now.Sub(n.at) > hintLife {
			delete(ms.all, id)
		}
	}
	for id := range ms.all {
		if len(ms.all) < maxHints/2 {
			return
		}
		delete(ms.all, id)
	}
}

// forget removes the hint of a message that is gone for good. The hint of a message that
// was released stays: it was written for the release.
func (ms *attemptHints) forget(m *message) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if n := ms.all[m.id]; n != nil && n.receives != m.receives {
		delete(ms.all, m.id)
	}
}
