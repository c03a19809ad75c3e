package nats

import (
	"context"
	"sync"
)

// The server closes a connection for which more than its max_pending waits, 64 MB by
// default, and that is what a slow link makes of a thousand large messages asked for
// at once. So what the server is asked to send at a time is bounded by its bytes, far
// below any max_pending: no measurement foretells that a link becomes slow.
const (
	loadMost  = 4 << 20
	loadLeast = 64 << 10
	// loadQuick and loadSlow are how long the messages of one request take where the
	// next may bring more, or less.
	loadQuick, loadSlow = quarter, 4 * quarter
	// roomForSubjects is what comes with a message beside its headers and its body.
	roomForSubjects = 8 << 10
)

// A load is how much the server may send at a time. It becomes less when the
// connection is lost, for that may be why, and more again while all goes well.
type load struct {
	mu    sync.Mutex
	most  int           // bytes
	pulls int           // requests to consumers that are open
	out   int           // bytes that answers with messages may bring, now under way
	size  int           // what one such answer may have; 0: not known
	freed chan struct{} // closed when out becomes less; nil: nobody waits
}

// pull begins a request to a consumer, and returns how many bytes it may bring: a
// share of all, but one message of the largest at least.
func (l *load) pull(largest int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pulls++
	return max(l.most/l.pulls, largest)
}

func (l *load) pullEnds() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pulls--
}

// more and less change the load for what is asked for next.
func (l *load) more() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = min(2*l.most, loadMost)
}

func (l *load) less() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = max(l.most/2, loadLeast)
}

// fell is less, and forgets what answers had: they may have been too large.
func (l *load) fell() {
	l.less()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = 0
}

// weight is what an answer with a message may have, for which hint is a guess.
func (l *load) weight(hint, largest int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size == 0 {
		l.size = inBase64(largest)
	}
	return max(l.size, inBase64(hint))
}

// saw notes the largest of some answers. Smaller ones are believed by and by.
func (l *load) saw(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = max(size, l.size/4, 1)
}

// take waits until answers of n bytes more may be under way, and give ends that.
// What is larger than all that may be goes alone.
func (l *load) take(ctx context.Context, n int) error {
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

func (l *load) give(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out -= n; n > 0 && l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}

// half is what one page of messages may have.
func (l *load) half() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.most / 2
}

func inBase64(n int) int { return n/3*4 + 1<<10 }

// largest is what one message may have on its way here.
func (w *wire) largest() int { return int(w.nc.MaxPayload()) + roomForSubjects }
