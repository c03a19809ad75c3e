package nats

import (
	"context"
	"sync"
)

// The server closes a connection for which more than its max_pending waits, 64 MB by
// default. A slow link reaches that with a thousand large messages requested at once.
// So the bytes that the server is asked to send at a time are bounded far below any
// max_pending: no measurement predicts that a link becomes slow.
const (
	maxBudget = 4 << 20
	minBudget = 64 << 10
	// growBelow and shrinkAbove bound how long the messages of one request take. Below the
	// first the budget grows, above the second it shrinks.
	growBelow, shrinkAbove = checkInterval, 4 * checkInterval
	// roomForSubjects is room for what a message brings besides its headers and body.
	roomForSubjects = 8 << 10
)

// A byteBudget is how many bytes the server may send at a time. It shrinks when the
// connection is lost, which it may have caused, and grows again while all goes well.
type byteBudget struct {
	mu    sync.Mutex
	most  int           // bytes
	pulls int           // open requests to consumers
	out   int           // that the answers in flight may bring, in bytes
	size  int           // estimated size of one such answer; 0: not known
	freed chan struct{} // closed when out shrinks; nil: nobody waits
}

// pull begins a request to a consumer, and returns how many bytes it may bring: a share
// of the budget, but at least one message of the largest size.
func (l *byteBudget) pull(largest int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pulls++
	return max(l.most/l.pulls, largest)
}

func (l *byteBudget) pullEnds() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pulls--
}

// grow and shrink change the budget for later requests.
func (l *byteBudget) grow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = min(2*l.most, maxBudget)
}

func (l *byteBudget) shrink() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = max(l.most/2, minBudget)
}

// connectionLost is shrink, and forgets the size of answers: they may have been too large.
func (l *byteBudget) connectionLost() {
	l.shrink()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = 0
}

// weight is the estimated size of an answer with a message. hint is a guess of it.
func (l *byteBudget) weight(hint, largest int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size == 0 {
		l.size = inBase64(largest)
	}
	return max(l.size, inBase64(hint))
}

// observe records the largest of some answers. Smaller ones lower the estimate stepwise.
func (l *byteBudget) observe(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = max(size, l.size/4, 1)
}

// acquire waits until answers of n more bytes may be in flight; release ends that. An
// answer larger than the whole budget goes alone.
func (l *byteBudget) acquire(ctx context.Context, n int) error {
	for n > 0 {
		l.mu.Lock()
		if l.out == 0 || l.out+n <= l.most {
			l.out += n
			l.mu.Unlock()
			return nil
		}
		if l.freed == nil {
			l.freed = make(chan struct{})
		}
		freed := l.freed
		l.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (l *byteBudget) release(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out -= n; n > 0 && l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}

// pageLimit is the size limit of one page of messages.
func (l *byteBudget) pageLimit() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.most / 2
}

func inBase64(n int) int { return n/3*4 + 1<<10 }

// largest is the largest size of a message on its way here.
func (w *requester) largest() int { return int(w.nc.MaxPayload()) + roomForSubjects }
