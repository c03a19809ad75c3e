package redis

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A settleItem is one task of a batch that is being settled.
type settleItem struct {
	index   int // in the batch
	d       *driver.Delivery
	receipt string // in its keyspace's form
	id      string // its name in the keyspace
}

// settle runs one script for each keyspace and 256 deliveries, or fewer if their
// envelopes are large, and sends 1 MB of these in one round trip. build makes the call
// for a part, and toError turns the code of one task into its error. size is the size of
// the call for a delivery; nil: small.
func (q *queue) settle(ctx context.Context, ds []*driver.Delivery, size func(settleItem) int, build func(*keyspace, []settleItem) *call, toError func(*call, settleItem, int64) error) error {
	if err := q.begin(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	return q.settleNow(ctx, ds, size, build, toError)
}

// settleNow is settle, on a queue that may have been closed.
func (q *queue) settleNow(ctx context.Context, ds []*driver.Delivery, size func(settleItem) int, build func(*keyspace, []settleItem) *call, toError func(*call, settleItem, int64) error) error {
	s := settleBatch{q: q, n: len(ds), toError: toError}
	for ks, all := range q.byKeyspace(ds, &s.failed) {
		for len(all) > 0 {
			n, bytes := 1, 0
			if size == nil {
				n = min(maxScriptTasks, len(all))
			} else {
				bytes = size(all[0])
				for n < min(maxScriptTasks, len(all)) && bytes+size(all[n]) <= maxScriptBytes {
					bytes += size(all[n])
					n++
				}
			}
			if s.bytes > 0 && s.bytes+bytes > maxTripBytes {
				if err := s.send(ctx); err != nil {
					return err
				}
			}
			s.parts = append(s.parts, settlePart{ks, all[:n], nil})
			if s.failure == nil {
				s.parts[len(s.parts)-1].call = build(ks, all[:n])
			}
			s.bytes += bytes
			all = all[n:]
		}
	}
	if err := s.send(ctx); err != nil {
		return err
	}
	return s.failed.Sorted()
}

// A settleBatch is a batch that is being settled.
type settleBatch struct {
	q       *queue
	n       int // deliveries in the batch
	toError func(*call, settleItem, int64) error
	failed  driver.BatchError
	failure error        // of a call without an answer; later ones are not sent
	parts   []settlePart // of the next round trip
	bytes   int          // of these
}

// A settlePart is one call and the deliveries in it.
type settlePart struct {
	keyspace *keyspace
	items    []settleItem
	call     *call
}

// send sends the parts. An error applies to the whole batch.
func (s *settleBatch) send(ctx context.Context) error {
	calls := make([]*call, len(s.parts))
	for i := range s.parts {
		calls[i] = s.parts[i].call
	}
	var (
		replies = make([]any, len(calls))
		errs    = make([]error, len(calls))
	)
	if s.failure == nil {
		replies, errs = s.q.p.runAll(ctx, calls)
	}
	for i, part := range s.parts {
		if s.failure != nil && calls[i] == nil {
			for _, h := range part.items {
				s.failed.Add(h.index, taskID(h.d), s.failure)
			}
			continue
		}
		var codes []int64
		err := errs[i]
		if err == nil {
			if replies[i] == int64(-1) {
				return driver.NoDLQ(s.q.cfg.Name)
			}
			codes, err = codesOf(replies[i], len(part.items))
		}
		if err == nil && len(codes) != len(part.items) {
			err = errReply
		}
		if err != nil {
			err = part.keyspace.failed(calls[i], err)
			if len(part.items) == s.n {
				return err
			}
			s.failure = err
		}
		for k, h := range part.items {
			if err != nil {
				s.failed.Add(h.index, taskID(h.d), err)
			} else if codes[k] != 0 {
				s.failed.Add(h.index, taskID(h.d), s.toError(calls[i], h, codes[k]))
			}
		}
	}
	s.parts, s.bytes = s.parts[:0], 0
	return nil
}

// envelopeSize is the approximate size of a delivery's task in a call.
func envelopeSize(h settleItem) int {
	n := len(h.d.Task.Payload)
	if h.d.Task.Encoding != "" {
		n += n / 3 // base64
	}
	return n + envelopeOverhead
}

// byKeyspace sorts deliveries by the keyspace that issued them. The lease of a receipt
// that no keyspace can have issued is lost.
func (q *queue) byKeyspace(ds []*driver.Delivery, failed *driver.BatchError) map[*keyspace][]settleItem {
	all := make(map[*keyspace][]settleItem, 1)
	for i, d := range ds {
		ks, receipt := q.keyspaceOf(d.Receipt)
		token, id, ok := strings.Cut(receipt, ".")
		if ks == nil || !ok || token == "" {
			failed.Add(i, taskID(d), q.errLost(d))
			continue
		}
		all[ks] = append(all[ks], settleItem{i, d, receipt, id})
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

func (q *queue) lost(_ *call, h settleItem, _ int64) error { return q.errLost(h.d) }

// gone is the code of complete for a task that no longer exists.
const gone = 2

// Complete implements [driver.Queue].
func (q *queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	build := func(ks *keyspace, part []settleItem) *call {
		c := ks.newCall(opComplete, 2+2*len(part)).add(len(part)).withSendCount()
		for i := range part {
			c.args = append(c.args, &part[i].receipt)
		}
		for i := range part {
			c.args = append(c.args, &part[i].id)
		}
		return c
	}
	toError := func(c *call, h settleItem, code int64) error {
		if code == gone && c.sent.n > 1 && time.Now().Before(h.d.LeaseUntil) {
			// The call was sent more than once, and no other worker had the task: the
			// first sending has completed it.
			return nil
		}
		return q.errLost(h.d)
	}
	return q.settle(ctx, ds, nil, build, toError)
}

// Extend implements [driver.Queue].
func (q *queue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if err := driver.CheckExtend(q.cfg.Name, lease); err != nil {
		return err
	}
	until := time.Now().Add(lease)
	build := func(ks *keyspace, part []settleItem) *call {
		c := ks.newCall(opExtend, 2+len(part)).add(len(part), durationMillis(lease))
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

func buildRelease(ks *keyspace, part []settleItem) *call {
	c := ks.newCall(opRelease, 2+4*len(part)).add(len(part)).withSendCount()
	for i := range part {
		h := &part[i]
		task := *h.d.Task
		delay := max(h.d.Delay, 0)
		if delay > 0 {
			task.ScheduledFor = time.Now().Add(delay)
		}
		c.add(&h.receipt, &h.id, driver.AppendEnvelope(nil, &task), durationMillis(delay))
	}
	return c
}

// DeadLetter implements [driver.Queue]. On a queue that is itself a dead
// letter queue it returns an error wrapping ErrUnsupported.
func (q *queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if q.isDLQ {
		return driver.NoDLQ(q.cfg.Name)
	}
	for _, d := range ds {
		// Another queue may have named this one since it was opened.
		if ks, _ := q.keyspaceOf(d.Receipt); ks != nil && ks.dead {
			return driver.NoDLQ(q.cfg.Name)
		}
	}
	build := func(ks *keyspace, part []settleItem) *call {
		c := ks.newCall(opBury, 2+3*len(part)).add(len(part)).withSendCount()
		for i := range part {
			h := &part[i]
			c.add(&h.receipt, &h.id, driver.AppendEnvelope(nil, h.d.Task))
		}
		return c
	}
	return q.settle(ctx, ds, envelopeSize, build, q.lost)
}
