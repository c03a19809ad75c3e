package sqlite

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A pace is how often a watcher looks whether another connection has written, while
// somebody waits. One look is a read of shared memory.
type pace struct {
	busy  time.Duration // while others write
	stir  time.Duration // how long the last sign of that counts
	quiet time.Duration // while nobody does, where the system tells of writes
	deaf  time.Duration // and where it does not
}

// A commit is seen by the looks of stir after the log was written to. One whose disk
// takes longer than that waits for a quiet look.
var usualPace = pace{
	busy: 2 * time.Millisecond, stir: 100 * time.Millisecond,
	quiet: 250 * time.Millisecond, deaf: 20 * time.Millisecond,
}

// sqlAvailable reads the queue's row and at most one row of each line.
const sqlAvailable = `SELECT paused = 0 AND (
		EXISTS (SELECT 1 FROM taskgen_ready WHERE queue = ?1)
		OR EXISTS (SELECT 1 FROM taskgen_group INDEXED BY taskgen_group_turn WHERE queue = ?1 AND turn > 0))
	FROM taskgen_queue WHERE id = ?1`

// A watcher wakes those who wait in this process for what other processes
// write. It sleeps when nobody waits.
type watcher struct {
	reader  *reader
	lobby   *lobby
	results *results
	jobs    *jobs
	place   *place
	pace    pace
	bell    *bell // nil where the system tells of no writes

	looks   atomic.Int64 // so far
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

func newWatcher(r *reader, l *lobby, rs *results, js *jobs, at *place, b *bell, often pace) *watcher {
	return &watcher{reader: r, lobby: l, results: rs, jobs: js, place: at, bell: b, pace: often, quit: make(chan struct{}), stopped: make(chan struct{})}
}

// close ends the watcher's goroutine and closes what it has open. A second call does
// nothing.
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

// watch looks for new commits as long as somebody waits, and reports false when
// the watcher is closed.
func (w *watcher) watch() bool {
	timer := time.NewTimer(w.pace.busy)
	defer timer.Stop()
	step := w.pace.busy
	seen := int64(-1)
	var stirred time.Time // the last sign that somebody writes
	checked := time.Now() // when the file was last in its place
	for w.lobby.occupied() || w.results.awaited() || w.jobs.awaited() {
		// Before the look: what is written after it is for the next one.
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

// look has those who wait learn what was written. It reports false where it could not
// read all of it: then the next look is for the same.
func (w *watcher) look() bool {
	w.lobby.look(w.reader)
	return errors.Join(w.results.look(w.reader), w.jobs.look(w.reader)) == nil
}

// check has those who wait learn that the file is gone: they would wait for what
// nobody can bring any more.
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

// rest waits for the next quiet look, and reports whether somebody has written.
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

// lateness is what timers, the step between two looks and a commit take on an idle
// machine, with room to spare.
func (w *watcher) lateness() time.Duration {
	if w.bell == nil {
		return 20*time.Millisecond + w.pace.deaf
	}
	return 20 * time.Millisecond
}
