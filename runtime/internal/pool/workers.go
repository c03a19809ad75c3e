package pool

import "time"

// busyWorkers is which workers of a run are busy, and since when.
type busyWorkers struct {
	began []time.Time // when the run in each slot began; zero: the slot is free
	free  []int       // free slots
	freed time.Time   // when a worker last became free
}

func newBusyWorkers(n int, now time.Time) busyWorkers {
	w := busyWorkers{began: make([]time.Time, n), freed: now}
	for i := range n {
		w.free = append(w.free, i)
	}
	return w
}

// beginLocked takes a slot for a worker that begins a task, endLocked gives it back.
func (w *busyWorkers) beginLocked(now time.Time) (place int) {
	last := len(w.free) - 1
	place, w.free = w.free[last], w.free[:last]
	w.began[place] = now
	return place
}

func (w *busyWorkers) endLocked(place int, now time.Time) {
	w.freed, w.began[place] = now, time.Time{}
	w.free = append(w.free, place)
}

// count is how many workers there are.
func (w *busyWorkers) count() int { return len(w.began) }

// sinceFreedLocked is how long ago a worker last became free.
func (w *busyWorkers) sinceFreedLocked(now time.Time) time.Duration { return now.Sub(w.freed) }

// rateLocked is how many tasks the workers start in a second, if each takes the average time
// of a handler, or that of its worker's current run if that is longer.
func (w *busyWorkers) rateLocked(now time.Time, handler time.Duration) float64 {
	rate, each := 0.0, max(handler, 1).Seconds()
	for _, began := range w.began {
		took := each
		if !began.IsZero() {
			took = max(each, now.Sub(began).Seconds())
		}
		rate += 1 / took
	}
	return rate
}
