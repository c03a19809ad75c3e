package sqlite

import (
	"sync"
	"time"
)

// watchEvery is how often the watcher looks whether another process has
// written, while somebody waits. One look is a read of shared memory.
const watchEvery = 2 * time.Millisecond

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

	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

func newWatcher(r *reader, l *lobby, rs *results) *watcher {
	return &watcher{reader: r, lobby: l, results: rs, quit: make(chan struct{}), stopped: make(chan struct{})}
}

func (w *watcher) close() {
	w.once.Do(func() { close(w.quit) })
	<-w.stopped
}

func (w *watcher) loop() {
	defer close(w.stopped)
	for {
		select {
		case <-w.quit:
			return
		case <-w.lobby.busy:
		case <-w.results.busy:
		}
		if !w.watch() {
			return
		}
	}
}

// watch looks for new commits as long as somebody waits, and reports false when
// the watcher is closed.
func (w *watcher) watch() bool {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	seen := int64(-1)
	for w.lobby.occupied() || w.results.awaited() {
		// An error is no news: the next look, or the writer, will meet it again.
		if v, err := w.reader.c.number(sqlDataVersion); err == nil && v != seen {
			seen = v
			w.lobby.look(w.reader)
			w.results.look(w.reader)
		}
		select {
		case <-w.quit:
			return false
		case <-tick.C:
		}
	}
	return true
}
