package sqstest

import "time"

// A Call is a request that has arrived, as a [Hook] sees it.
type Call struct {
	// Operation is its name, as in SendMessageBatch.
	Operation string
	// Queue is the name of the queue that it is for; empty when it names none.
	Queue string
	// Entries are the ids of the entries of a batch, in order.
	Entries []string
}

// A Hook decides what goes wrong with a call. It is called before the call acts,
// by as many goroutines as there are calls, and holds nothing up while it
// blocks but its own call.
type Hook func(Call) Fault

// A Fault says what goes wrong with a call. The zero value: nothing.
type Fault struct {
	// Error is answered in place of acting.
	Error *Error
	// Drop cuts the connection in place of acting.
	Drop bool
	// DropReply cuts the connection after the call has acted: the client does
	// not learn whether it did.
	DropReply bool
	// GoOn lets the call go on when its client is gone: a ReceiveMessage that was
	// given up takes messages then, and nobody gets them.
	GoOn bool
	// Empty makes a ReceiveMessage that does not wait find nothing, as one does that
	// asked those servers alone which have nothing.
	Empty bool
	// Delay, on the server's clock, passes between acting and the answer, or
	// before Error and Drop.
	Delay time.Duration
	// Entries fails single entries of a batch, by their place in it; the others
	// act.
	Entries map[int]*Error
}

// HoldCounts makes GetQueueAttributes count the messages of the queues that are there
// as they are now, until release is called: AWS' counts trail for up to a minute.
func (s *Server) HoldCounts() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(map[*queue][3]int)
	for _, q := range s.queues {
		q.advance(s.clock.Now())
		s.touch(q)
		s.held[q] = q.tally()
	}
	s.flush()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held = nil
	}
}

// TrailCounts has GetQueueAttributes repeat what it has counted on a queue for d, by the
// machine's clock, whatever happens there meanwhile. 0: it counts each time, as it does at
// first.
func (s *Server) TrailCounts(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trail = d
}

// countsOf are the numbers that GetQueueAttributes gives of q.
func (s *Server) countsOf(q *queue) [3]int {
	if counts, ok := s.held[q]; ok {
		return counts
	}
	if now := time.Now(); s.trail <= 0 || now.Sub(q.countedAt) >= s.trail {
		q.counted, q.countedAt = q.tally(), now
	}
	return q.counted
}

// SetHook makes h decide about every call from now on. Nil: nothing goes wrong.
func (s *Server) SetHook(h Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = h
}
