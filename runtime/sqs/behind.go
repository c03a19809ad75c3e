package sqs

// A behind is a Dequeue that has returned while polls were in flight, or while
// unrequested messages were at hand.
type behind struct {
	over func()
	last uint64 // the number of the latest poll then
}

// atWork reports whether messages are at hand or on their way here or back. mu is held.
func (e *engine) atWork() bool {
	for _, l := range e.inputs() {
		if l.polls > 0 || len(l.ready) > 0 {
			return true
		}
	}
	return len(e.moving) > 0
}

// tellBehind notifies Dequeues whose polls have ended and whose messages are handed out
// or given back. A later Dequeue takes over what is still at hand. mu is held.
func (e *engine) tellBehind() {
	if len(e.behind) == 0 {
		return
	}
	first, away := e.begun+1, len(e.moving) > 0
	for _, l := range e.inputs() {
		for _, p := range l.flying {
			first = min(first, p.number)
		}
		away = away || len(l.ready) > 0
	}
	kept := e.behind[:0]
	for i, b := range e.behind {
		if b.last >= first || away && i == len(e.behind)-1 {
			kept = append(kept, b)
		} else {
			b.over()
		}
	}
	clear(e.behind[len(kept):])
	e.behind = kept
}
