package sqlite

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A pace is how often a watcher checks, while there are waiters, whether another
// connection has written. One check is a read of shared memory.
type pace struct {
	busy  time.Duration // while others write
	stir  time.Duration // how long the last sign of a write counts
	quiet time.Duration // while nobody writes, with inotify
	deaf  time.Duration // while nobody writes, without inotify
}

// A commit is seen by the checks within stir after the write to the log. If the disk
// takes longer than that, the commit waits for a quiet check.
var usualPace = pace{
	busy: 2 * time.Millisecond, stir: 100 * time.Millisecond,
	quiet: 250 * time.Millisecond, deaf: 20 * time.Millisecond,
}

// sqlAvailable reads the queue's row and at most one row of each line.
const sqlAvailable = `SELECT paused = 0 AND (
		EXISTS (SELECT 1 FROM taskgen_ready WHERE queue = ?1)
		OR EXISTS (SELECT 1 FROM taskgen_group INDEXED BY taskgen_group_turn WHERE queue = ?1 AND turn > 0))
	FROM taskgen_queue WHERE id = ?1`

// A watcher wakes waiters in this process for the writes of other processes. It sleeps
// when there are none.
type watcher struct {
	reader  *reader
	lobby   *lobby
	results *results
	jobs    *jobs
	place   *place
	pace    pace
	bell    *bell // nil without inotify

	looks   atomic.Int64 // so far
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

func newWatcher(r *reader, l *lobby, rs *results, js *jobs, at *place, b *bell, often pace) *watcher {
	return &watcher{reader: r, lobby: l, results: rs, jobs: js, place: at, bell: b, pace: often, quit: make(chan struct{}), stopped: make(chan struct{})}
}

// close ends the watcher's goroutine and closes its files. A second call does nothing.
func (w *watcher) close() (err error) {
	w.once.Do(func() {
		close(w.quit)
		if w.bell != nil {
			w.bell.stop()
		}
		<-w.stopped
		err = w.reader.close()
		if w.bell != nil {
			err = errors.Join(err, w.bell.close())
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
		case <-w.lobby.busy:
		case <-w.results.busy:
		case <-w.jobs.busy:
		}
		if !w.watch() {
			return
		}
	}
}

// watch checks for new commits while there are waiters, and reports false when the
// watcher is closed.
func (w *watcher) watch() bool {
	timer := time.NewTimer(w.pace.busy)
	defer timer.Stop()
	step := w.pace.busy
	seen := int64(-1)
	var stirred time.Time // the last sign that somebody writes
	checked := time.Now() // when the file was last in its place
	for w.lobby.occupied() || w.results.awaited() || w.jobs.awaited() {
		// Before the check: later writes are for the next one.
		if w.bell != nil && w.bell.rang() {
			stirred = time.Now()
		}
		w.looks.Add(1)
		if v, err := w.reader.c.number(sqlDataVersion); err == nil && v != seen && w.look() {
			seen, stirred = v, time.Now()
		}
		if time.Since(checked) >= w.pace.quiet {
			checked = time.Now()
			w.check()
		}
		if time.Since(stirred) >= w.pace.stir {
			if w.rest(timer) {
				// The commit follows the ring, soon where the disk is quick.
				stirred, step = time.Now(), w.pace.busy/8
			}
		} else {
			w.sleep(timer, step)
			step = min(2*step, w.pace.busy)
		}
		select {
		case <-w.quit:
			return false
		default:
		}
	}
	return true
}

// look informs waiters about new writes. It reports false if it could not read all of
// them: then the next look reads them again.
func (w *watcher) look() bool {
	w.lobby.look(w.reader)
	return errors.Join(w.results.look(w.reader), w.jobs.look(w.reader)) == nil
}

// check fails the waiters if the file is gone: nothing could wake them any more.
func (w *watcher) check() {
	if w.place.check() == nil {
		return
	}
	for _, queue := range w.lobby.queues() {
		w.lobby.nudge(queue)
	}
	for _, id := range w.results.awaitedIDs() {
		w.results.wake(id)
	}
}

// rest waits for the next quiet check, and reports whether there was a write.
func (w *watcher) rest(timer *time.Timer) bool {
	if w.bell != nil {
		return w.bell.wait(w.pace.quiet, w.quit)
	}
	w.sleep(timer, w.pace.deaf)
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
	if w.bell == nil {
		return 20*time.Millisecond + w.pace.deaf
	}
	return 20 * time.Millisecond
}
