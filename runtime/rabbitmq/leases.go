package rabbitmq

import (
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A lease is a task that the broker has delivered to this process.
type lease struct {
	t        *receiver
	consumer *consumer
	tag      uint64
	line     int
	id       string
	body     []byte
	crashes  int
	counted  int       // crashes by the broker, when it came
	at       time.Time // when it came
	keep     time.Time // how long it stays for the next worker if no worker waits
	until    time.Time // zero: not handed out yet
	receipt  driver.Receipt
	state    leaseState
	from     *amqp.Delivery // if it is no plain message of ours: without its body
	raw      *amqp.Delivery // from, if its bytes cannot be decoded, on a dead letter queue
	moving   *letter        // its next copy, if that is still under way

	// For a task in a group, which stays among the drawn ones until it has left.
	group string
	task  *driver.Task
	again int        // how often it was handed out
	then  leaseState // the state of an away task once it is back
	kept  bool       // it was released, and is where it belongs
}

// A leaseState is the state of a delivered task.
type leaseState int

const (
	waiting  leaseState = iota // for a worker to take it
	leased                     // handed out
	settling                   // its worker has decided its outcome
	resting                    // of a group: released, and not due again
	away                       // of a group: given back, to be drawn again
	gone                       // off the queue
)

// holds reports whether a lease exists and is not over.
func (l *lease) holds(now time.Time) bool {
	return l != nil && l.until.After(now) && l.t.alive()
}

// mostBytes is how many bytes of tasks one Dequeue returns, if it returns several.
const mostBytes = 16 << 20

// handOut leases drawn tasks. st.mu is held.
func (st *queueState) handOut(limit int, d time.Duration) []*lease {
	n := 0
	for bytes := 0; n < min(limit, len(st.drawn)); n++ {
		if bytes += len(st.drawn[n].body); n > 0 && bytes > mostBytes {
			break // the next Dequeue gets the rest at once
		}
	}
	out := slices.Clone(st.drawn[:n])
	st.drawn = slices.Delete(st.drawn, 0, n)
	for _, l := range out {
		st.lease(l, d)
	}
	return out
}

// lease begins a lease. st.mu is held.
func (st *queueState) lease(l *lease, d time.Duration) {
	l.state, l.until = leased, l.end(time.Now().Add(d))
	b := make([]byte, 0, 40)
	b = append(append(b, st.p.nonce...), '-')
	b = append(strconv.AppendUint(b, l.t.seq, 10), '-')
	b = strconv.AppendUint(b, l.tag, 10)
	if l.again++; l.again > 1 { // a task that stayed here
		b = strconv.AppendInt(append(b, '-'), int64(l.again), 10)
	}
	l.receipt = driver.Receipt(b)
	st.leases[l.receipt] = l
	st.wakeAt(l.until)
}

// end is the end of a lease, cut to the broker's limit.
func (l *lease) end(wanted time.Time) time.Time {
	if last := l.at.Add(l.t.st.p.maxLease); wanted.After(last) {
		return last
	}
	return wanted
}

// wakeAt schedules a check of the leases. st.mu is held.
func (st *queueState) wakeAt(at time.Time) {
	if !st.next.IsZero() && !at.Before(st.next) {
		return
	}
	st.next = at
	wait := max(time.Until(at), 0)
	if st.alarm == nil {
		st.alarm = time.AfterFunc(wait, st.expire)
		return
	}
	st.alarm.Reset(wait)
}

// expire returns tasks whose lease has ended to their place in the queue. The broker
// counts that like the death of a process.
func (st *queueState) expire() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ctx.Err() == nil {
		st.endLeases(time.Now())
	}
}

// endLeases ends the leases that are over. st.mu is held.
func (st *queueState) endLeases(now time.Time) {
	st.next = time.Time{}
	var soonest time.Time
	for r, l := range st.leases {
		switch {
		case l.state == settling: // settled or restored soon
		case !l.until.After(now):
			delete(st.leases, r)
			if st.kind == driver.FIFO { // it keeps its place, here
				l.state = waiting
				l.crashes++
				continue
			}
			l.t.reject(l)
		case soonest.IsZero() || l.until.Before(soonest):
			soonest = l.until
		}
	}
	if !soonest.IsZero() {
		st.wakeAt(soonest)
	}
	st.wake()
}
