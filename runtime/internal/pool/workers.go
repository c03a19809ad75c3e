package pool

import "time"

// busyWorkers is which workers of a run are busy, and since when. It is guarded by the
// run's mutex.
type busyWorkers struct {
	began []time.Time // when the run began in each place for one; zero: none is there
	free  []int       // places
	freed time.Time   // when a worker last became free
}

func newBusyWorkers(n int, now time.Time) busyWorkers {
	w := busyWorkers{began: make([]time.Time, n), freed: now}
	for i := range n {
		w.free = append(w.free, i)
	}
	return w
}

// begin takes a place for a worker that begins to run a task, end gives it back.
func (w *busyWorkers) begin(now time.Time) (place int) {
	last := len(w.free) - 1
	place, w.free = w.free[last], w.free[:last]
	w.began[place] = now
	return place
}

func (w *busyWorkers) end(place int, now time.Time) {
	w.freed, w.began[place] = now, time.Time{}
	w.free = append(w.free, place)
}

// rate is how many tasks the workers would start in a second, if handlers took as long as
// they did, and those that have run for longer took as long again.
func (w *busyWorkers) rate(now time.Time, handler time.Duration) float64 {
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
