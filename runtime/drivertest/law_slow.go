package drivertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// slowCases: law 15, with large tasks.
func slowCases() []testCase {
	slow := func(name string, run func(w *env)) testCase {
		return testCase{law: DrainsInTrouble, name: name, requires: []requirement{bulky}, real: true, run: run}
	}
	return []testCase{
		slow("large tasks are enqueued, run, retried and buried over a slow network, and no lease is lost", slowPool),
		slow("a batch of large tasks is bounded by their size", slowBatch),
	}
}

const (
	// slowRate is what the network carries in a second.
	slowRate = 10 << 20
	// maxBatch is how many bytes of large tasks one Dequeue may return, if tasks must
	// be transferred and the harness sets no other bound.
	maxBatch = 32 << 20
)

// slow makes the network slow, if there is one.
func (w *env) slow() {
	w.Helper()
	if w.h.Network == nil {
		return
	}
	if net, ok := w.network().(interface{ Rate(bytesPerSecond int) }); ok {
		w.Cleanup(func() { net.Rate(0) })
		net.Rate(slowRate)
	}
}

// largeLetters makes large tasks: with 1 MB each they exceed one batch.
func (w *env) largeLetters(q driver.Queue) []*runtime.Task {
	ts := w.tasks(q, 40)
	pad := strings.Repeat("x", w.h.Large-64)
	for i, t := range ts {
		t.Type, t.Payload = letterSpec.Type, fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, i, pad)
	}
	return ts
}

func slowPool(w *env) {
	// All together take about half a lease.
	m := w.manager(runtime.QueueConfig{Name: "q", Visibility: w.scaled(10 * time.Second)})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	ts := w.largeLetters(q)
	w.slow()
	w.enqueue(q, ts...)
	var (
		mu   sync.Mutex
		runs = make([]int, len(ts))
		left = len(ts)
		done = make(chan struct{})
	)
	pool := w.pool(m, runtime.PoolConfig{Workers: 16, Grace: time.Second}, func(_ context.Context, l letter) error {
		mu.Lock()
		defer mu.Unlock()
		if runs[l.N]++; runs[l.N] == 1 && l.N%10 == 0 {
			return errors.New("the first run fails")
		}
		if left--; left == 0 {
			close(done)
		}
		return nil
	})
	w.ok(pool.Start(w.ctx), "start")
	select {
	case <-done:
	case <-time.After(3 * w.patience): // a busy machine slows down a slow network further
		w.Errorf("of %d large tasks some were not run in %s", len(ts), 3*w.patience)
	}
	w.stop(pool)
	mu.Lock()
	defer mu.Unlock()
	for n, times := range runs {
		want := 1
		if n%10 == 0 {
			want = 2
		}
		w.check(times == want, "task %d was run %d times, not %d", n, times, want)
	}
	w.counts(q, "when all large tasks are done", 0, 0, 0, 0)
}

func slowBatch(w *env) {
	q := w.open(runtime.QueueConfig{})
	most := max(cmp.Or(w.h.maxBatch, maxBatch), w.h.Large)
	ts := w.largeLetters(q)
	w.slow()
	w.enqueue(q, ts...)
	var all []*driver.Delivery
	for len(all) < len(ts) {
		ds := w.some(q, 1000, long)
		bytes := 0
		for _, d := range ds {
			bytes += len(d.Task.Payload)
		}
		w.check(bytes <= most || w.h.Home == InProcess, "one Dequeue brought %d bytes in %d tasks", bytes, len(ds))
		all = append(all, ds...)
	}
	w.bury(q, all...)
	w.counts(q, "when all large tasks are dead", 0, 0, 0, int64(len(ts)))
	if redriver, ok := q.(driver.Redriver); ok && q.Capabilities().Redrive {
		back, err := redriver.Redrive(w.ctx, nil)
		w.ok(err, "redrive")
		w.check(len(back) == len(ts), "%d of %d large tasks were redriven", len(back), len(ts))
		w.counts(q, "when all large tasks are back", int64(len(ts)), 0, 0, 0)
	}
}
