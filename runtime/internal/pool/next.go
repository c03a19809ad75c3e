package pool

import "time"

// next hands back a worker's finished item and returns its next one, to be run with
// ctx, and when that run begins: now, if there was no wait. It returns nil when the run
// of the pool ends.
func (r *run) next(done *item, took time.Duration, now time.Time, ctx *taskContext) (*item, time.Time) {
	r.mon.Lock()
	defer r.mon.Unlock()
	if done != nil {
		done.consumer().finishLocked(done, took, now)
	}
	waited := false
	for {
		if r.mon.stoppedLocked() {
			return nil, now
		}
		if waited {
			now = time.Now()
		}
		if it := r.chooser.nextLocked(now); it != nil {
			r.runs++
			it.consumer().beginLocked(it, ctx, now)
			return it, now
		}
		waited = true
		r.mon.parkLocked()
	}
}

// notifyFetchersLocked notifies what waits for free workers.
func (r *run) notifyFetchersLocked() {
	for _, c := range r.chooser.activeLocked() {
		c.notifyLocked()
	}
}

// onTimerLocked makes all parts look again.
func (r *run) onTimerLocked() {
	r.giveBackAheadLocked(time.Now())
	r.notifyFetchersLocked()
}

// giveBackAheadLocked gives back what was fetched ahead if the workers have been busy
// with other tasks for long: another process may have time for it.
func (r *run) giveBackAheadLocked(now time.Time) {
	if !r.ahead || r.mon.stoppedLocked() || r.mon.freeLocked() > 0 {
		return
	}
	for _, c := range r.chooser.activeLocked() {
		c.giveBackAheadLocked(now)
	}
}
