package history

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

const (
	// batch is how many records do not wait for the Interval, and mostBatch how many are
	// written at once.
	batch, mostBatch = 512, 2048
	// writeTimeout bounds one write, so that a write that hangs does not delay the next
	// one forever.
	writeTimeout = 10 * time.Second
	// stopWait bounds how long a pool that has stopped waits for its records to be written.
	stopWait = time.Second
	// sayEvery is how often the log says that records are dropped.
	sayEvery = time.Minute
)

// A writer is the goroutine that writes records: while pools work, and, for the runs of workers
// that belong to no pool, until all records are written.
type writer struct {
	wakes    chan struct{} // capacity 1
	stopping chan struct{}
	over     chan struct{}
	giveUp   context.CancelFunc
}

func (w *writer) wake() {
	select {
	case w.wakes <- struct{}{}:
	default:
	}
}

func (h *History) poolStarted(p *observe.Pool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pools = append(h.pools, p)
	h.buffer.prepare()
	if h.writer == nil {
		h.start()
	}
}

// start starts a writer. There is none, and h.mu is held.
func (h *History) start() {
	ctx, cancel := context.WithCancel(context.Background())
	h.writer = &writer{wakes: make(chan struct{}, 1), stopping: make(chan struct{}), over: make(chan struct{}), giveUp: cancel}
	go h.loop(ctx, h.writer)
}

// rests ends a writer if no pool works and nothing is to be written, and reports whether it did.
// The next record starts another.
func (h *History) rests(w *writer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pools) > 0 || len(h.buffer.ready) > 0 || h.writer != w {
		return false
	}
	h.writer = nil
	w.giveUp()
	return true
}

// poolStopped ends the writer with the last pool. It waits until the records are written,
// for a short time.
func (h *History) poolStopped(p *observe.Pool) {
	h.mu.Lock()
	h.buffer.releasePool(p, driver.Abandoned)
	h.pools = slices.DeleteFunc(h.pools, func(o *observe.Pool) bool { return o == p })
	w := h.writer
	last := len(h.pools) == 0 && w != nil
	if last {
		h.writer = nil
	}
	h.mu.Unlock()
	if !last {
		return
	}
	close(w.stopping)
	defer w.giveUp()
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	select {
	case <-w.over:
	case <-timer.C:
	}
}

// loop is the writer's goroutine. While the store is away it tries once in each Interval.
func (h *History) loop(ctx context.Context, w *writer) {
	defer close(w.over)
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	var said int64 // how many dropped records the log has reported
	var saidAt time.Time
	for wakes := w.wakes; ; {
		stopping := false
		select {
		case <-wakes:
		case <-tick.C:
		case <-w.stopping:
			stopping = true
		}
		err := h.write(ctx)
		if wakes = w.wakes; err != nil {
			wakes = nil
		}
		if dropped := h.Dropped(); dropped > said && (time.Since(saidAt) >= sayEvery || stopping) {
			h.logger().Warn("records of the history are dropped: the store is away, or slower than the work", slog.Int64("records", dropped-said), slog.Int64("in_all", dropped))
			said, saidAt = dropped, time.Now()
		}
		if stopping || h.rests(w) {
			return
		}
	}
}

// write writes all records that are ready. It keeps those that the store does not take.
func (h *History) write(ctx context.Context) error {
	select {
	case h.writing <- struct{}{}:
		defer func() { <-h.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return h.writeAll(ctx)
}

// writeAll writes batch by batch. h.writing is held.
func (h *History) writeAll(ctx context.Context) error {
	h.mu.Lock()
	all := h.buffer.take()
	h.mu.Unlock()
	rest := all
	var err error
	for len(rest) > 0 && err == nil {
		n := min(len(rest), mostBatch)
		if err = h.add(ctx, rest[:n]); err == nil {
			rest = rest[n:]
			h.mu.Lock()
			h.buffer.written(n)
			h.mu.Unlock()
		}
		h.say(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buffer.giveBack(all, rest)
	return err
}

func (h *History) add(ctx context.Context, part []Record) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return h.store.Add(ctx, part, h.keep)
}

// say logs that the store is away, and that it is back. h.writing is held.
func (h *History) say(err error) {
	switch {
	case err != nil && !h.failing:
		h.logger().Warn("the history cannot be written, will keep trying: tasks run as usual", slog.Any("error", err))
	case err == nil && h.failing:
		h.logger().Info("the history is written again")
	}
	h.failing = err != nil
}

// Close writes the records that wait, until ctx ends, and drops those that come later. Call
// it when the pools have stopped, and a Server of package server is closed. As a rule the records
// of pools are written then; those of a server's workers wait for Interval at most, and Close
// writes them. The error says how many records are lost. To call it again does nothing.
func (h *History) Close(ctx context.Context) error {
	select {
	case h.writing <- struct{}{}:
		defer func() { <-h.writing }()
	case <-ctx.Done():
		return h.lost(h.close(), context.Cause(ctx))
	}
	h.mu.Lock()
	was := h.buffer.dropped
	h.buffer.closed = true
	h.dismiss()
	h.mu.Unlock()
	if err := h.writeAll(ctx); err != nil {
		return h.lost(h.Dropped()-was, err)
	}
	return nil
}

// close drops what is not in the store, and returns how many records that are. A write
// that is in progress drops what that does not write.
func (h *History) close() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := &h.buffer
	h.dismiss()
	n := int64(len(b.ready))
	b.closed, b.ready, b.dropped = true, nil, b.dropped+n
	return n + int64(b.writing)
}

// dismiss ends a writer that no pool will end. h.mu is held.
func (h *History) dismiss() {
	if w := h.writer; w != nil && len(h.pools) == 0 {
		h.writer = nil
		close(w.stopping)
		w.giveUp()
	}
}

func (h *History) lost(n int64, err error) error {
	return fmt.Errorf("close the history: %d records are lost: %w", n, err)
}
