package sqlite

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// groupLimit bounds the calls that one transaction gathers, and weightLimit
	// the tasks in them.
	groupLimit  = 512
	weightLimit = 4 * maxTxTasks
	// If other processes write too, a writer that always has work leaves the lock free
	// for politePause after each politeSlice. The pause is longer than busyStep, so
	// that a waiting process tries at least once in it.
	politeSlice = 4 * time.Millisecond
	politePause = busyStep + busyStep/4
	politeFor   = time.Second // how long another process's last commit counts
)

// A call is work for a transaction of the writer, or a new waiter, or a queue
// to visit.
type call struct {
	run    func(*tx) // may be run again, in its own transaction
	weight int       // tasks in it
	grows  bool      // adds tasks, and is refused if there is no space
	waiter *waiter   // set if run is not
	visit  int64     // the queue, if both are not set
	began  atomic.Bool
	done   chan error // nil if nobody waits for an answer
}

// answer reports the end of the call.
func (cl *call) answer(err error) {
	if cl.done != nil {
		cl.done <- err
	}
}

// A writer owns the connection that writes. It gathers the calls that arrive during a
// commit into the next transaction, and answers all of them after COMMIT: group commit.
type writer struct {
	c          *conn
	identity   *fileIdentity
	clock      driver.Clock
	waitQueues *waitQueues

	calls   chan *call
	closing chan struct{}
	stopped chan struct{}
	once    sync.Once

	revisit       []int64   // queues to visit again at once
	version       int64     // data_version when last seen
	foreignCommit time.Time // when another connection's commit was last seen
	sliceStart    time.Time // when this writer last left the lock free
	nextTidy      int64
}

func newWriter(c *conn, at *fileIdentity, clock driver.Clock, ws *waitQueues) *writer {
	return &writer{
		c: c, identity: at, clock: clock, waitQueues: ws,
		calls: make(chan *call, groupLimit), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// do runs f in a transaction and waits until it is committed. If ctx ends before f has
// begun nothing is done.
func (w *writer) do(ctx context.Context, weight int, f func(*tx)) error {
	return w.submitAndWait(ctx, &call{run: f, weight: weight, done: make(chan error, 1)})
}

// grow is do for calls that add tasks. The error wraps ErrQueueFull if there is no space
// for them.
func (w *writer) grow(ctx context.Context, weight int, f func(*tx)) error {
	return queueFullError(w.submitAndWait(ctx, &call{run: f, weight: weight, grows: true, done: make(chan error, 1)}))
}

func (w *writer) submitAndWait(ctx context.Context, cl *call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.submit(ctx, cl); err != nil {
		return err
	}
	return unavailable(w.await(ctx, cl))
}

func (w *writer) submit(ctx context.Context, cl *call) error {
	select {
	case <-w.closing:
		return errClosed
	default:
	}
	select {
	case w.calls <- cl:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return errClosed
	}
}

// await waits for the answer to a call that was submitted.
func (w *writer) await(ctx context.Context, cl *call) error {
	select {
	case err := <-cl.done:
		return err
	case <-ctx.Done():
		if cl.began.CompareAndSwap(false, true) {
			return ctx.Err()
		}
	case <-w.stopped:
		if cl.began.CompareAndSwap(false, true) {
			return errClosed
		}
	}
	return <-cl.done
}

// signal makes the writer check a queue for due tasks and waiters.
// It does not wait for it. If the check fails, those who wait get the error:
// nothing else might ever wake them.
func (w *writer) signal(queue int64) {
	select {
	case w.calls <- &call{visit: queue}:
	case <-w.closing:
	}
}

// close has the writer finish what it has begun, and waits for it.
func (w *writer) close() {
	w.once.Do(func() { close(w.closing) })
	<-w.stopped
}

// loop is the writer's goroutine.
func (w *writer) loop() {
	defer close(w.stopped)
	for {
		var first *call
		select {
		case <-w.closing:
			return
		case first = <-w.calls:
		default:
			if len(w.revisit) > 0 {
				break
			}
			select {
			case <-w.closing:
				return
			case first = <-w.calls:
				w.sliceStart = time.Now()
			}
		}
		w.yieldLock()
		w.cycle(first)
		w.tidy()
	}
}

// cycle runs one transaction for the first call and all that came meanwhile.
func (w *writer) cycle(first *call) {
	err := w.begin()
	calls := w.gather(first)
	if err == nil {
		calls, err = w.admit(calls)
	}
	if err != nil {
		for _, cl := range calls {
			cl.answer(err)
		}
		w.revisit = w.waitQueues.noTransaction(err)
		return
	}
	w.noteForeignCommits()
	visit := w.revisit // and the queues that waiters came to, or a signal named
	w.revisit = nil
	for _, cl := range calls {
		switch {
		case cl.waiter != nil:
			w.waitQueues.add(cl.waiter)
			visit = append(visit, cl.waiter.queue)
		case cl.run == nil:
			visit = append(visit, cl.visit)
		}
	}
	switch err := w.transact(calls, visit); {
	case err == nil:
		for _, cl := range calls {
			if cl.run != nil {
				cl.answer(nil)
			}
		}
	case len(calls) == 1 && len(visit) == 0 && (calls[0].grows || !isFull(err)):
		calls[0].answer(err)
	default:
		w.oneByOne(calls, visit)
	}
	w.waitQueues.dismiss()
}

// gather takes the calls that wait, without those that were withdrawn.
func (w *writer) gather(first *call) []*call {
	var calls []*call
	weight := 0
	for cl := first; ; {
		if cl != nil && cl.began.CompareAndSwap(false, true) {
			calls = append(calls, cl)
			weight += cl.weight
		}
		if len(calls) >= groupLimit || weight >= weightLimit {
			return calls
		}
		select {
		case cl = <-w.calls:
		default:
			return calls
		}
	}
}

// transact runs the calls in the transaction that is open, then checks the
// queues to visit and serves the waiters of every queue that was touched. It
// commits and answers those it served, or rolls all of it back and returns the
// error.
func (w *writer) transact(calls []*call, visit []int64) error {
	t := &tx{c: w.c, now: w.clock.Now().UnixNano()}
	defer w.c.rollback()
	for _, cl := range calls {
		if cl.run != nil {
			cl.run(t)
		}
	}
	for _, queue := range visit {
		t.state(queue)
	}
	served := w.waitQueues.serve(t)
	t.save()
	w.waitQueues.readEvents(t)
	if t.err == nil {
		err := w.c.commit()
		if err == nil {
			// What is in a file that nobody will open again is not done.
			err = w.identity.check()
		}
		if err != nil {
			t.fail(err)
		}
	}
	if t.err != nil {
		w.waitQueues.restore(served)
		return w.identity.explain(t.err)
	}
	for _, c := range served {
		c.done <- nil
	}
	w.waitQueues.setTimers(t)
	for _, s := range t.states {
		if s.more {
			w.revisit = append(w.revisit, s.id)
		}
	}
	return nil
}

// oneByOne repeats the calls of a transaction that failed, each in one of its
// own, so that only those fail that cannot be done.
func (w *writer) oneByOne(calls []*call, visit []int64) {
	for _, cl := range calls {
		if cl.run != nil {
			cl.answer(w.single([]*call{cl}, nil))
		}
	}
	for _, queue := range visit {
		if err := w.single(nil, []int64{queue}); err != nil {
			w.waitQueues.fail(queue, err)
		}
	}
}

// single runs one transaction. Where the file is full and the transaction takes no
// tasks in, it is repeated without the reserve.
func (w *writer) single(calls []*call, visit []int64) error {
	if err := w.begin(); err != nil {
		return err
	}
	err := w.transact(calls, visit)
	if err == nil || !isFull(err) || len(calls) > 0 && calls[0].grows || !w.spendReserve() {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	return w.transact(calls, visit)
}

// begin opens a transaction, if the file is still the one that was opened.
func (w *writer) begin() error {
	if err := w.identity.check(); err != nil {
		return err
	}
	return w.identity.explain(w.c.begin())
}

// noteForeignCommits notes whether another connection has written since the last time.
func (w *writer) noteForeignCommits() {
	version, err := w.c.number(sqlDataVersion)
	if err != nil {
		return // the transaction will say what is wrong with the file
	}
	if w.version != 0 && version != w.version {
		w.foreignCommit = time.Now()
	}
	w.version = version
}

// yieldLock leaves the write lock free for a moment where others want it.
func (w *writer) yieldLock() {
	now := time.Now()
	if now.Sub(w.foreignCommit) < politeFor && now.Sub(w.sliceStart) >= politeSlice {
		time.Sleep(politePause)
		w.sliceStart = time.Now()
	}
}
