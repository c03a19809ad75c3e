package memory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

func (q *queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.each(ctx, ds, nil, func(it *item, _ *driver.Delivery) { q.drop(it) })
}

func (q *queue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if err := driver.CheckExtend(q.name, lease); err != nil {
		return err
	}
	return q.each(ctx, ds, nil, func(it *item, d *driver.Delivery) {
		ends := later(q.now, lease)
		q.leased.remove(it)
		q.leased.push(ends, it)
		d.LeaseUntil = q.at(ends)
	})
}

// Release implements [driver.Queue]. If the lease is over, Release takes back the crash
// that its end was counted as, if the item still has its token.
func (q *queue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.each(ctx, ds, q.uncrash, func(it *item, d *driver.Delivery) {
		q.detach(it)
		it.restore(d.Task)
		due := q.now
		if d.Delay > 0 {
			due = later(q.now, d.Delay)
			it.task.ScheduledFor = q.at(due)
		}
		q.makeDue(it, due)
	})
}

func (q *queue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	if err := q.lockBoth(ctx, driver.NoDLQ); err != nil {
		return err
	}
	defer q.unlockBoth()
	return q.eachHeld(ds, nil, func(it *item, d *driver.Delivery) {
		it.restore(d.Task)
		task := it.task
		q.drop(it)
		q.dead.addDead(task, q.name)
	})
}

// each settles a batch. It calls late, unless nil, for deliveries whose lease is over.
func (q *queue) each(ctx context.Context, ds []*driver.Delivery, late func(*driver.Delivery), do func(*item, *driver.Delivery)) error {
	if err := q.enter(ctx); err != nil {
		return err
	}
	defer q.leave()
	return q.eachHeld(ds, late, do)
}

// uncrash takes back the crash that the end of a delivery's lease was counted as.
func (q *queue) uncrash(d *driver.Delivery) {
	slot, token, ok := parseReceipt(d.Receipt)
	if it := q.items.at(slot); ok && it != nil && it.state != gone && it.task.ID == d.Task.ID {
		it.uncrash(token)
	}
}

// eachHeld settles the deliveries whose leases are valid, and returns ErrLeaseLost for
// the others.
func (q *queue) eachHeld(ds []*driver.Delivery, late func(*driver.Delivery), do func(*item, *driver.Delivery)) error {
	var failed *driver.BatchError
	for i, d := range ds {
		it := q.held(d)
		if it == nil {
			if late != nil {
				late(d)
			}
			failed = fail(failed, i, d.Task.ID, fmt.Errorf("queue %q, task %s: %w", q.name, d.Task.ID, driver.ErrLeaseLost))
			continue
		}
		do(it, d)
	}
	return failed.OrNil()
}

// held returns the task of a delivery whose lease is valid, or nil.
func (s *queueState) held(d *driver.Delivery) *item {
	slot, token, ok := parseReceipt(d.Receipt)
	if !ok {
		return nil
	}
	it := s.items.at(slot)
	if it == nil || it.state != leased || it.token != token || it.task.ID != d.Task.ID {
		return nil
	}
	return it
}

// A receipt is the slot of a task and the token of its lease, in hexadecimal.
const receiptLen = 8 + 16

const hexDigits = "0123456789abcdef"

func writeReceipt(to *strings.Builder, slot uint32, token uint64) {
	var text [receiptLen]byte
	for i := range text {
		if i < 8 {
			text[i] = hexDigits[slot>>(28-4*i)&15]
		} else {
			text[i] = hexDigits[token>>(60-4*(i-8))&15]
		}
	}
	to.Write(text[:])
}

func parseReceipt(r driver.Receipt) (slot uint32, token uint64, ok bool) {
	if len(r) != receiptLen {
		return 0, 0, false
	}
	high, ok1 := unhex(r[:8])
	token, ok2 := unhex(r[8:])
	return uint32(high), token, ok1 && ok2
}

func unhex(s driver.Receipt) (n uint64, ok bool) {
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}
