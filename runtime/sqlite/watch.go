package sqlite

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// checkIntervals is how often a watcher checks, while there are waiters, whether another
// connection has written. One check is a read of shared memory.
type checkIntervals struct {
	busy      time.Duration // while others write
	activeFor time.Duration // how long the last sign of a write counts
	idle      time.Duration // while nobody writes, with inotify
	noInotify time.Duration // while nobody writes, without inotify
}

// A commit is seen by the checks within activeFor after the write to the log. If the disk
// takes longer than that, the commit waits for an idle check.
var defaultIntervals = checkIntervals{
	busy: 2 * time.Millisecond, activeFor: 100 * time.Millisecond,
	idle: 250 * time.Millisecond, noInotify: 20 * time.Millisecond,
}

// sqlAvailable reads the queue's row and at most one row of each line.
const sqlAvailable = `SELECT paused = 0 AND (
		EXISTS (SELECT 1 FROM taskgen_ready WHERE queue = ?1)
		OR EXISTS (SELECT 1 FROM taskgen_group INDEXED BY taskgen_group_turn WHERE queue = ?1 AND turn > 0))
	FROM taskgen_queue WHERE id = ?1`

// A watcher wakes waiters in this process for the writes of other processes. It sleeps
// when there are none.
type watcher struct {
	reader      *reader
	waitQueues  *waitQueues
	results     *results
	jobs        *jobs
	identity    *fileIdentity
	intervals   checkIntervals
	walNotifier *walNotifier // nil without inotify

	polls   atomic.Int64 // so far
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

func newWatcher(r *reader, ws *waitQueues, rs *results, js *jobs, at *fileIdentity, b *walNotifier, often checkIntervals) *watcher {
	return &watcher{reader: r, waitQueues: ws, results: rs, jobs: js, identity: at, walNotifier: b, intervals: often, quit: make(chan struct{}), stopped: make(chan struct{})}
}

// close ends the watcher's goroutine and closes its files. A second call does nothing.
func (w *watcher) close() (err error) {
	w.once.Do(func() {
		close(w.quit)
		if w.walNotifier != nil {
			w.walNotifier.stop()
		}
		<-w.stopped
		err = w.reader.close()
		if w.walNotifier != nil {
			err = errors.Join(err, w.walNotifier.close())
		}
	})
	return err
}

func (w *watcher) loop() {
	defer close(w.stopped)
	for {
		select {
		case <-w.quit:
			return
		case <-w.waitQueues.wakeWatcher:
		case <-w.results.wakeWatcher:
		case <-w.jobs.wakeWatcher:
		}
		if !w.watch() {
			return
		}
	}
}

// watch checks for new commits while there are waiters, and reports false when the
// watcher is closed.
func (w *watcher) watch() bool {
	timer := time.NewTimer(w.intervals.busy)
	defer timer.Stop()
	step := w.intervals.busy
	seen := int64(-1)
	var lastWrite time.Time // the last sign that somebody writes
	checked := time.Now()   // when the file was last checked
	for w.waitQueues.hasWaiters() || w.results.hasWaiters() || w.jobs.hasWaiters() {
		// Before the check: later writes are for the next one.
		if w.walNotifier != nil && w.walNotifier.written() {
			lastWrite = time.Now()
		}
		w.polls.Add(1)
		if v, err := w.reader.c.number(sqlDataVersion); err == nil && v != seen && w.poll() {
			seen, lastWrite = v, time.Now()
		}
		if time.Since(checked) >= w.intervals.idle {
			checked = time.Now()
			w.check()
		}
		if time.Since(lastWrite) >= w.intervals.activeFor {
			if w.waitForWrite(timer) {
				// The commit follows the write, soon if the disk is quick.
				lastWrite, step = time.Now(), w.intervals.busy/8
			}
		} else {
			w.sleep(timer, step)
			step = min(2*step, w.intervals.busy)
		}
		select {
		case <-w.quit:
			return false
		default:
		}
	}
	return true
}

// poll informs waiters about new writes. It reports false if it could not read all of
// them: then the next poll reads them again.
func (w *watcher) poll() bool {
	w.waitQueues.poll(w.reader)
	return errors.Join(w.results.poll(w.reader), w.jobs.poll(w.reader)) == nil
}

// check fails the waiters if the file is gone: nothing could wake them any more.
func (w *watcher) check() {
	if w.identity.check() == nil {
		return
	}
	for _, queue := range w.waitQueues.queues() {
		w.waitQueues.signal(queue)
	}
	for _, id := range w.results.waitingIDs() {
		w.results.wake(id)
	}
}

// waitForWrite waits for the next idle check, and reports whether there was a write.
func (w *watcher) waitForWrite(timer *time.Timer) bool {
	if w.walNotifier != nil {
		return w.walNotifier.wait(w.intervals.idle, w.quit)
	}
	w.sleep(timer, w.intervals.noInotify)
	return false
}

// sleep waits for d, or until the watcher is closed.
func (w *watcher) sleep(timer *time.Timer, d time.Duration) {
	timer.Reset(d)
	select {
	case <-w.quit:
	case <-timer.C:
	}
}

// lateness is what timers, the time between two checks and a commit take on an idle
// machine, with a margin.
func (w *watcher) lateness() time.Duration {
	if w.walNotifier == nil {
		return 20*time.Millisecond + w.intervals.noInotify
	}
	return 20 * time.Millisecond
}
