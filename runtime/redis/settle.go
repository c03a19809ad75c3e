package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// A held task is one of a batch that is being settled.
type held struct {
	index   int // in the batch
	d       *runtime.Delivery
	receipt string // as its lane knows it
	id      string // its name in the lane
}

// settle runs one script for each lane and 256 deliveries, all in one round
// trip. make builds the call for a part, and judge turns the code of one task
// into its error.
func (q *Queue) settle(ctx context.Context, ds []*runtime.Delivery, build func(*lane, []held) *call, judge func(*call, held, int64) error) error {
	if err := q.begin(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	var (
		failed runtime.BatchError
		calls  []*call
		parts  [][]held
		lanes  []*lane
	)
	for l, all := range q.byLane(ds, &failed) {
		for len(all) > 0 {
			part := all[:min(chunk, len(all))]
			all = all[len(part):]
			calls, parts, lanes = append(calls, build(l, part)), append(parts, part), append(lanes, l)
		}
	}
	replies, errs := q.p.runAll(ctx, calls)
	for i, part := range parts {
		var codes []int64
		err := errs[i]
		if err == nil {
			if replies[i] == int64(-1) {
				return q.errUndead()
			}
			codes, err = codesOf(replies[i], len(part))
		}
		if err == nil && len(codes) != len(part) {
			err = errReply
		}
		if err != nil {
			err = lanes[i].failed(calls[i], err)
			if len(calls) == 1 && len(part) == len(ds) {
				return err
			}
		}
		for k, h := range part {
			if err != nil {
				failed.Add(h.index, taskID(h.d), err)
			} else if codes[k] != 0 {
				failed.Add(h.index, taskID(h.d), judge(calls[i], h, codes[k]))
			}
		}
	}
	return sorted(&failed)
}

// byLane sorts deliveries by the lane that gave them. A receipt that none can
// have given is lost.
func (q *Queue) byLane(ds []*runtime.Delivery, failed *runtime.BatchError) map[*lane][]held {
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

func taskID(d *runtime.Delivery) string {
	if d.Task == nil {
		return ""
	}
	return d.Task.ID
}

func (q *Queue) errLost(d *runtime.Delivery) error {
	return fmt.Errorf("%w: task %s of queue %q", runtime.ErrLeaseLost, taskID(d), q.cfg.Name)
}

func (q *Queue) lost(_ *call, h held, _ int64) error { return q.errLost(h.d) }

// gone is the code of complete for a task that is not there any more.
const gone = 2

// Complete implements [runtime.Queue].
func (q *Queue) Complete(ctx context.Context, ds []*runtime.Delivery) error {
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
			// The call was sent more than once, and nobody else had the task: the
			// first sending has completed it.
			return nil
		}
		return q.errLost(h.d)
	}
	return q.settle(ctx, ds, build, judge)
}

// Extend implements [runtime.Queue].
func (q *Queue) Extend(ctx context.Context, ds []*runtime.Delivery, lease time.Duration) error {
	if lease <= 0 {
		return fmt.Errorf("taskgen: extend by %v: a lease is longer than 0", lease)
	}
	until := time.Now().Add(lease)
	build := func(l *lane, part []held) *call {
		c := l.newCall(opExtend, 2+len(part)).add(len(part), span(lease))
		for i := range part {
			c.args = append(c.args, &part[i].receipt)
		}
		return c
	}
	err := q.settle(ctx, ds, build, q.lost)
	for i, d := range ds {
		if runtime.ErrorAt(err, i) == nil {
			d.LeaseUntil = until
		}
	}
	return err
}

// Release implements [runtime.Queue]. A task that is released at once goes to
// the end of the line, on a fifo queue to the head of its group.
func (q *Queue) Release(ctx context.Context, ds []*runtime.Delivery) error {
	build := func(l *lane, part []held) *call {
		c := l.newCall(opRelease, 2+4*len(part)).add(len(part)).again()
		for i := range part {
			h := &part[i]
			task := *h.d.Task
			delay := max(h.d.Delay, 0)
			if delay > 0 {
				task.ScheduledFor = time.Now().Add(delay)
			}
			c.add(&h.receipt, &h.id, runtime.AppendEnvelope(nil, &task), span(delay))
		}
		return c
	}
	return q.settle(ctx, ds, build, q.lost)
}

// DeadLetter implements [runtime.Queue]. On a queue that is itself a dead
// letter queue it returns an error wrapping ErrUnsupported.
func (q *Queue) DeadLetter(ctx context.Context, ds []*runtime.Delivery) error {
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
			c.add(&h.receipt, &h.id, runtime.AppendEnvelope(nil, h.d.Task))
		}
		return c
	}
	return q.settle(ctx, ds, build, q.lost)
}

func (q *Queue) errUndead() error {
	return fmt.Errorf("%w: queue %q is a dead letter queue and has none of its own: complete, redrive or discard its tasks", runtime.ErrUnsupported, q.cfg.Name)
}

// sorted returns what failed in the order of the batch, or nil.
func sorted(failed *runtime.BatchError) error {
	slices.SortFunc(failed.Items, func(a, b runtime.ItemError) int { return a.Index - b.Index })
	return failed.OrNil()
}
