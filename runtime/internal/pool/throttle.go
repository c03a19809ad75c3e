package pool

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// mostRecords bounds the logged records of one kind in a second: else the log would
// slow down a million failing tasks, and bury its other records. The rest is counted.
const mostRecords = 500

// A throttle bounds the log records that are each about one task.
type throttle struct {
	log func() *slog.Logger

	mu   sync.Mutex
	seen map[recordKind]*recordCount
}

// A recordKind is what records have in common. Types are registered ones: there are
// few.
type recordKind struct {
	level    slog.Level
	text     string
	taskType string
}

type recordCount struct {
	since   time.Time // when the second began
	logged  int       // in this second
	dropped int       // and not reported yet
	timer   *time.Timer
}

// pass reports whether a record of this kind is to be logged. The others are reported
// together when the second is over.
func (t *throttle) pass(kind recordKind) bool {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = make(map[recordKind]*recordCount)
	}
	c := t.seen[kind]
	if c == nil {
		c = new(recordCount)
		t.seen[kind] = c
	}
	if now.Sub(c.since) >= time.Second {
		c.since, c.logged = now, 0
	}
	if c.logged < mostRecords {
		c.logged++
		return true
	}
	if c.dropped++; c.dropped == 1 {
		c.timer = time.AfterFunc(c.since.Add(time.Second).Sub(now), func() { t.tell(kind) })
	}
	return false
}

// tell logs how many records of a kind were dropped, if any.
func (t *throttle) tell(kind recordKind) {
	t.mu.Lock()
	c := t.seen[kind]
	n := c.dropped
	if c.dropped = 0; c.timer != nil {
		c.timer.Stop()
	}
	t.mu.Unlock()
	if n > 0 {
		t.log().LogAttrs(context.Background(), kind.level, kind.text+": and more, which are not logged one by one",
			slog.GroupAttrs("task", slog.String("type", kind.taskType)), slog.Int("count", n))
	}
}

// flush reports all dropped records.
func (t *throttle) flush() {
	t.mu.Lock()
	kinds := make([]recordKind, 0, len(t.seen))
	for kind := range t.seen {
		kinds = append(kinds, kind)
	}
	t.mu.Unlock()
	for _, kind := range kinds {
		t.tell(kind)
	}
}
