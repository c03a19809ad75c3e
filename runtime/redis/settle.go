package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A held task is one task of a batch that is being settled.
type held struct {
	index   int // in the batch
	d       *driver.Delivery
	receipt string // in its lane's form
	id      string // its name in the lane
}

// settle runs one script for each lane and 256 deliveries, or fewer if their envelopes
// are large, and sends 1 MB of these in one round trip. build makes the call for a
// part, and judge turns the code of one task into its error. size is the size of the
// call for a delivery; nil: small.
func (q *queue) settle(ctx context.Context, ds []*driver.Delivery, size func(held) int, build func(*lane, []held) *call, judge func(*call, held, int64) error) error {
	if err := q.begin(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	return q.settleNow(ctx, ds, size, build, judge)
}

// settleNow is settle, on a queue that may have been closed.
func (q *queue) settleNow(ctx context.Context, ds []*driver.Delivery, size func(held) int, build func(*lane, []held) *call, judge func(*call, held, int64) error) error {
	s := settling{q: q, n: len(ds), judge: judge}
	for l, all := range q.byLane(ds, &s.failed) {
		for len(all) > 0 {
			n, bytes := 1, 0
			if size == nil {
				n = min(chunk, len(all))
			} else {
				bytes = size(all[0])
				for n < min(chunk, len(all)) && bytes+size(all[n]) <= bulk {
					bytes += size(all[n])
					n++
				}
			}
			if s.bytes > 0 && s.bytes+bytes > maxTrip {
				if err := s.send(ctx); err != nil {
					return err
				}
			}
			s.parts = append(s.parts, settled{l, all[:n], nil})
			if s.broken == nil {
				s.parts[len(s.parts)-1].call = build(l, all[:n])
			}
			s.bytes += bytes
			all = all[n:]
		}
	}
	if err := s.send(ctx); err != nil {
		return err
	}
	return sorted(&s.failed)
}

// A settling is a batch that is being settled.
type settling struct {
	q      *queue
	n      int // deliveries in the batch
	judge  func(*call, held, int64) error
	failed driver.BatchError
	broken error     // of a call without an answer; later ones are not sent
	parts  []settled // of the next round trip
	bytes  int       // of these
}

// A settled part is one call and the deliveries in it.
type settled struct {
	lane *lane
	held []held
	call *call
}

// send sends the parts. An error applies to the whole batch.
func (s *settling) send(ctx context.Context) error {
	calls := make([]*call, len(s.parts))
	for i := range s.parts {
		calls[i] = s.parts[i].call
	}
	var (
		replies = make([]any, len(calls))
		errs    = make([]error, len(calls))
	)
	if s.broken == nil {
		replies, errs = s.q.p.runAll(ctx, calls)
	}
	for i, part := range s.parts {
		if s.broken != nil && calls[i] == nil {
			for _, h := range part.held {
				s.failed.Add(h.index, taskID(h.d), s.broken)
			}
			continue
		}
		var codes []int64
		err := errs[i]
		if err == nil {
			if replies[i] == int64(-1) {
				return s.q.errUndead()
			}
			codes, err = codesOf(replies[i], len(part.held))
		}
		if err == nil && len(codes) != len(part.held) {
			err = errReply
		}
		if err != nil {
			err = part.lane.failed(calls[i], err)
			if len(part.held) == s.n {
				return err
			}
			s.broken = err
		}
		for k, h := range part.held {
			if err != nil {
				s.failed.Add(h.index, taskID(h.d), err)
			} else if codes[k] != 0 {
				s.failed.Add(h.index, taskID(h.d), s.judge(calls[i], h, codes[k]))
			}
		}
	}
	s.parts, s.bytes = s.parts[:0], 0
	return nil
}

// envelopeSize is the approximate size of a delivery's task in a call.
func envelopeSize(h held) int {
	n := len(h.d.Task.Payload)
	if h.d.Task.Encoding != "" {
		n += n / 3 // base64
	}
	return n + envelopeRoom
}

// byLane sorts deliveries by the lane that issued them. The lease of a receipt that no
// lane can have issued is lost.
func (q *queue) byLane(ds []*driver.Delivery, failed *driver.BatchError) map[*lane][]held {
	all := make(map[*lane][]held, 1)
	for i, d := range ds {
		l, receipt := q.laneOf(d.Receipt)
		token, id, ok := strings.Cut(receipt, ".")
		if l == nil || !ok || token == "" {
			failed.Add(i, taskID(d), q.errLost(d))
			continue
		}
		all[l] = append(all[l], held{i, d, receipt, id})
	}
	return all
}

func taskID(d *driver.Delivery) string {
	if d.Task == nil {
		return ""
	}
	return d.Task.ID
}

func (q *queue) errLost(d *driver.Delivery) error {
	return fmt.Errorf("%w: task %s of queue %q", driver.ErrLeaseLost, taskID(d), q.cfg.Name)
}

func (q *queue) lost(_ *call, h held, _ int64) error { return q.errLost(h.d) }

// gone is the code of complete for a task that no longer exists.
const gone = 2

// Complete implements [driver.Queue].
func (q *queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	build := func(l *lane, part []held) *call {
		c := l.newCall(opComplete, 2+2*len(part)).add(len(part)).again()
		for i := range part {
			c.args = append(c.args, &part[i].receipt)
		}
		for i := range part {
			c.args = append(c.args, &part[i].id)
		}
		return c
	}
	judge := func(c *call, h held, code int64) error {
		if code == gone && c.sent.n > 1 && time.Now().Before(h.d.LeaseUntil) {
			// The call was sent more than once, and no other worker had the task: the
			// first sending has completed it.
			return nil
		}
		return q.errLost(h.d)
	}
	return q.settle(ctx, ds, nil, build, judge)
}

// Extend implements [driver.Queue].
func (q *queue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if lease <= 0 {
		return fmt.Errorf("taskgen: extend by %v: a lease must be longer than 0", lease)
	}
	until := time.Now().Add(lease)
	build := func(l *lane, part []held) *call {
		c := l.newCall(opExtend, 2+len(part)).add(len(part), span(lease))
		for i := range part {
			c.args = append(c.args, &part[i].receipt)
		}
		return c
	}
	err := q.settle(ctx, ds, nil, build, q.lost)
	for i, d := range ds {
		if driver.ErrorAt(err, i) == nil {
			d.LeaseUntil = until
		}
	}
	return err
}

// Release implements [driver.Queue]. A task without a delay goes to the end of the line,
// on a fifo queue to the head of its group.
func (q *queue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, ds, envelopeSize, buildRelease, q.lost)
}

func buildRelease(l *lane, part []held) *call {
	c := l.newCall(opRelease, 2+4*len(part)).add(len(part)).again()
	for i := range part {
		h := &part[i]
		task := *h.d.Task
		delay := max(h.d.Delay, 0)
		if delay > 0 {
			task.ScheduledFor = time.Now().Add(delay)
		}
		c.add(&h.receipt, &h.id, driver.AppendEnvelope(nil, &task), span(delay))
	}
	return c
}

// DeadLetter implements [driver.Queue]. On a queue that is itself a dead
// letter queue it returns an error wrapping ErrUnsupported.
func (q *queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if q.isDLQ {
		return q.errUndead()
	}
	for _, d := range ds {
		// Another queue may have named this one since it was opened.
		if l, _ := q.laneOf(d.Receipt); l != nil && l.dead {
			return q.errUndead()
		}
	}
	build := func(l *lane, part []held) *call {
		c := l.newCall(opBury, 2+3*len(part)).add(len(part)).again()
		for i := range part {
			h := &part[i]
			c.add(&h.receipt, &h.id, driver.AppendEnvelope(nil, h.d.Task))
		}
		return c
	}
	return q.settle(ctx, ds, envelopeSize, build, q.lost)
}

func (q *queue) errUndead() error {
	return fmt.Errorf("%w: queue %q is a dead letter queue and has no dead letter queue: complete, redrive or discard its tasks", driver.ErrUnsupported, q.cfg.Name)
}

// sorted returns the failures in the order of the batch, or nil.
func sorted(failed *driver.BatchError) error {
	slices.SortFunc(failed.Items, func(a, b driver.ItemError) int { return a.Index - b.Index })
	return failed.OrNil()
}
