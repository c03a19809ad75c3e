package memory

import "time"

// A line holds ready tasks in the order in which they became due. New ones come
// to the end of a list. Those that come back to their place (a lease that
// ended, a retry within a group) stand in a heap beside it, for there may be
// many of them, in any order.
type line struct {
	head, tail *item
	back       calendar // by due time
}

func (l *line) push(it *item) {
	it.prev, it.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = it
	} else {
		l.head = it
	}
	l.tail = it
}

func (l *line) remove(it *item) {
	if it.pos != inNoHeap {
		l.back.remove(it)
		return
	}
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		l.head = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		l.tail = it.prev
	}
	it.prev, it.next = nil, nil
}

// first is the task that has been due for longest, or nil.
func (l *line) first() *item {
	if len(l.back) > 0 && (l.head == nil || l.back[0].at <= l.head.due) {
		return l.back[0].it
	}
	return l.head
}

// oldest is since when the first task has been due; now when there is none.
func (l *line) oldest(now time.Duration) time.Duration {
	if it := l.first(); it != nil {
		return it.due
	}
	return now
}
