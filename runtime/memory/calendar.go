package memory

import "time"

// A calendar orders items by a time, the earliest first, and items with the same time
// by their place. Nearly all arrive in that order (tasks become due as time passes,
// leases of one length end in the order in which they began) and are appended to a list
// at constant cost. The strays, which belong before its end (a lease that ended,
// another delay), are in a separate heap.
//
// An item is in at most one calendar.
type calendar struct {
	head, tail *item
	strays     strays
	n          int
}

func (c *calendar) push(at time.Duration, it *item) {
	it.at = at
	c.n++
	switch {
	case c.tail == nil:
		c.head = it
	case it.before(c.tail):
		c.strays.push(it)
		return
	default:
		it.prev, c.tail.next = c.tail, it
	}
	c.tail = it
}

// first is the earliest item, or nil.
func (c *calendar) first() *item {
	if len(c.strays) > 0 && (c.head == nil || c.strays[0].it.before(c.head)) {
		return c.strays[0].it
	}
	return c.head
}

func (c *calendar) remove(it *item) {
	c.n--
	if it.pos != notStray {
		c.strays.remove(it)
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
func (c *calendar) next() time.Duration {
	if it := c.first(); it != nil {
		return it.at
	}
	return never
}

// pop removes and returns the first item if its time has come, else it returns nil.
func (c *calendar) pop(now time.Duration) *item {
	it := c.first()
	if it == nil || it.at > now {
		return nil
	}
	c.remove(it)
	return it
}
