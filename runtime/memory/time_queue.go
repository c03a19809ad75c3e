package memory

import "time"

// A timeQueue orders items by a time, the earliest first, and items with the same time
// by their place. Nearly all arrive in that order (tasks become due as time passes,
// leases of one length end in the order in which they began) and are appended to a list
// at constant cost. Those out of order, which belong before its end (a lease that ended,
// another delay), are in a separate heap.
//
// An item is in at most one timeQueue.
type timeQueue struct {
	head, tail *item
	outOfOrder outOfOrder
	n          int
}

func (c *timeQueue) push(at time.Duration, it *item) {
	it.at = at
	c.n++
	switch {
	case c.tail == nil:
		c.head = it
	case it.before(c.tail):
		c.outOfOrder.push(it)
		return
	default:
		it.prev, c.tail.next = c.tail, it
	}
	c.tail = it
}

// first is the earliest item, or nil.
func (c *timeQueue) first() *item {
	if len(c.outOfOrder) > 0 && (c.head == nil || c.outOfOrder[0].it.before(c.head)) {
		return c.outOfOrder[0].it
	}
	return c.head
}

func (c *timeQueue) remove(it *item) {
	c.n--
	if it.pos != notInHeap {
		c.outOfOrder.remove(it)
		return
	}
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		c.head = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		c.tail = it.prev
	}
	it.prev, it.next = nil, nil
}

// next is the time of the first item, or never if there is none.
func (c *timeQueue) next() time.Duration {
	if it := c.first(); it != nil {
		return it.at
	}
	return never
}

// pop removes and returns the first item if its time has come, else it returns nil.
func (c *timeQueue) pop(now time.Duration) *item {
	it := c.first()
	if it == nil || it.at > now {
		return nil
	}
	c.remove(it)
	return it
}
