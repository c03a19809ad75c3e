package sqs

// A returnedDequeue is a Dequeue that has returned while polls were in flight, or while
// unrequested messages were ready.
type returnedDequeue struct {
	over func()
	last uint64 // the number of the latest poll then
}

// atWork reports whether messages are ready here or on their way here or back. mu is held.
func (e *queueState) atWork() bool {
	for _, l := range e.allSources() {
		if l.polls > 0 || len(l.ready) > 0 {
			return true
		}
	}
	return len(e.moving) > 0
}

// notifyReturned notifies Dequeues whose polls have ended and whose messages are handed out
// or given back. A later Dequeue takes over what is still ready. mu is held.
func (e *queueState) notifyReturned() {
	if len(e.returned) == 0 {
		return
	}
	first, away := e.pollsStarted+1, len(e.moving) > 0
	for _, l := range e.allSources() {
		for _, p := range l.inFlight {
			first = min(first, p.number)
		}
		away = away || len(l.ready) > 0
	}
	kept := e.returned[:0]
	for i, b := range e.returned {
		if b.last >= first || away && i == len(e.returned)-1 {
			kept = append(kept, b)
		} else {
			b.over()
		}
	}
	clear(e.returned[len(kept):])
	e.returned = kept
}
