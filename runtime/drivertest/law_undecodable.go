package drivertest

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// undecodableCases: what represents a message that cannot be decoded. law_refusals.go has
// that it leaves the queue.
func undecodableCases() []testCase {
	return []testCase{
		{law: PoisonDoesNotLoop, name: testUndecodable, requires: []requirement{foreign, redriving, discarding}, run: undecodableEverywhere},
	}
}

const testUndecodable = "a message that cannot be decoded is the same dead task wherever it is read, byte for byte, and is redriven and discarded by its ID"

// undecodableEverywhere reads a few messages wherever their queue shows them.
func undecodableEverywhere(w *env) {
	q := w.open(runtime.QueueConfig{})
	bytesLeft := make(map[string]int) // by payload, what no task represents yet
	n := 0
	for _, body := range [][]byte{[]byte("no envelope"), []byte("{"), []byte(`{"v":99}`), {0xff, 0, 0xfe}} {
		if w.h.Raw(w, w.addr, q, body) {
			bytesLeft[`"`+base64.StdEncoding.EncodeToString(body)+`"`]++
			n++
		}
	}
	w.check(n >= 2, "of 4 short messages the broker takes %d", n)
	all := w.undecodable(w.hearBuried(q, n), "reported by Dequeue")
	w.check(len(all) == n, "%d messages are buried as %d tasks", n, len(all))
	for _, t := range all {
		bytesLeft[string(t.Payload)]--
	}
	for payload, left := range bytesLeft {
		w.check(left == 0, "%d of the tasks too few have the bytes %s", left, payload)
	}
	w.eventually(func() bool { return w.numbers(q).Dead == int64(n) }, "the queue counts %d dead tasks", n)

	dead := w.dead(q)
	for range 2 {
		ds := w.take(dead, n, long)
		w.sameDead(w.undecodable(deliveredTasks(ds), "handed out"), all, "what the dead letter queue hands out")
		w.ok(dead.Release(w.ctx, ds), "release what is dead")
	}
	if q.Capabilities().Browse {
		page, _, err := q.(driver.Browser).Browse(w.ctx, driver.Dead, "", n+1)
		w.ok(err, "browse what is dead")
		w.sameDead(w.undecodable(page, "listed"), all, "what Browse lists")
	}
	w.foundDead(q, all)

	ids := slices.Sorted(maps.Keys(all))
	moved, err := q.(driver.Redriver).Redrive(w.ctx, ids[:1])
	w.ok(err, "redrive %s", ids[0])
	w.equal(moved, ids[:1], "what was redriven")
	gone, err := q.(driver.Discarder).Discard(w.ctx, ids[1:])
	w.ok(err, "discard %v", ids[1:])
	w.same(gone, ids[1:], "what was discarded")
	// A receive that went on behind a Dequeue may have buried the redriven one again.
	w.eventually(func() bool { return w.numbers(q).Dead <= 1 }, "the queue counts no dead task beside the redriven one")
}

// hearBuried has a queue bury n messages by itself, and returns the tasks that it reports.
func (w *env) hearBuried(q driver.Queue, n int) []*driver.Task {
	w.Helper()
	var mu sync.Mutex
	var heard []*driver.Task
	reported := func() []*driver.Task {
		mu.Lock()
		defer mu.Unlock()
		return heard
	}
	hearing := driver.HearBuried(w.ctx, func(t *driver.Task) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, t)
	})
	w.eventually(func() bool {
		ctx, cancel := context.WithTimeout(hearing, w.quietWait())
		defer cancel()
		ds, err := q.Dequeue(ctx, 10, w.ample())
		w.check(len(ds) == 0, "handed out as tasks: %v", deliveredIDs(ds))
		w.check(errors.Is(err, driver.ErrNoTasks), "a Dequeue that finds no tasks answers %v", err)
		return len(reported()) >= n
	}, "Dequeue reports %d messages that it has buried", n)
	return reported()
}

// undecodable checks that each task represents a message that cannot be decoded and that
// was on q, and returns the tasks by ID.
func (w *env) undecodable(ts []*driver.Task, where string) map[string]*driver.Task {
	w.Helper()
	byID := make(map[string]*driver.Task, len(ts))
	for _, t := range ts {
		w.check(t.Type == driver.UndecodableType, "%s: the task %s is of type %q", where, t.ID, t.Type)
		reason, want := t.Metadata[driver.MetaFailureReason], driver.ErrInvalidTask.Error()+": the message cannot be decoded: "
		w.check(strings.HasPrefix(reason, want), "%s: the reason is %q, want one that begins with %q", where, reason, want)
		w.check(t.Metadata[driver.MetaOriginalQueue] == "q", "%s: the original queue is %q", where, t.Metadata[driver.MetaOriginalQueue])
		w.check(t.Metadata[driver.MetaAttempts] == "0", "%s: %s runs are counted, and there was none", where, t.Metadata[driver.MetaAttempts])
		byID[t.ID] = t
	}
	return byID
}

// sameDead checks that tasks are those that were read before.
func (w *env) sameDead(got, want map[string]*driver.Task, what string) {
	w.Helper()
	w.same(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), "%s", what)
	for id, t := range got {
		w.check(driver.DeathOf(t) == driver.DeathOf(want[id]), "%s: the task %s has the payload %s, and had %s", what, id, t.Payload, want[id].Payload)
	}
}

// foundDead looks tasks up by ID, on a queue that can.
func (w *env) foundDead(q driver.Queue, all map[string]*driver.Task) {
	w.Helper()
	finder, ok := q.(driver.Finder)
	if !ok {
		return
	}
	for id, t := range all {
		found, err := finder.Find(w.ctx, id)
		w.ok(err, "find %s", id)
		w.check(len(found) == 1 && found[0].State == driver.Dead, "found under the ID %s: %+v", id, found)
		w.sameDead(w.undecodable([]*driver.Task{found[0].Task}, "found"), map[string]*driver.Task{id: t}, "what Find finds")
	}
}
