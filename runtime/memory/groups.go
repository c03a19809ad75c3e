package memory

import "github.com/taskgen/taskgen/runtime/driver"

// A group is a list of related tasks. On a FIFO queue it has the due tasks of one group
// key, in order; its first task may be ready, leased, or waiting for its retry, and the
// others wait behind it. On a dead letter queue it has the dead tasks of one queue of
// origin, in the order of their deaths.
type group struct {
	key        string
	head, tail *item
	n          int

	inTurns    bool
	prev, next *group // in groupTurns
}

// addToGroup puts an item at the end of the group with the given key.
func (s *queueState) addToGroup(it *item, key string) {
	g := s.groups[key]
	if g == nil {
		g = &group{key: key}
		s.groups[key] = g
		s.groupPeak.note(len(s.groups))
	}
	it.group, it.gprev, it.gnext = g, g.tail, nil
	if g.tail != nil {
		g.tail.gnext = it
	} else {
		g.head = it
	}
	g.tail = it
	g.n++
}

// removeFromGroup takes an item out of its group. A group ends with its last item.
func (s *queueState) removeFromGroup(it *item) {
	g := it.group
	if it.gprev != nil {
		it.gprev.gnext = it.gnext
	} else {
		g.head = it.gnext
	}
	if it.gnext != nil {
		it.gnext.gprev = it.gprev
	} else {
		g.tail = it.gprev
	}
	it.group, it.gprev, it.gnext = nil, nil, nil
	g.n--
	if s.kind == driver.FIFO {
		s.updateTurn(g)
	}
	if g.n == 0 {
		delete(s.groups, g.key)
	}
}

// updateTurn puts a group whose first task is ready at the end of groupTurns, and removes
// any other group from it.
func (s *queueState) updateTurn(g *group) {
	switch able := g.head != nil && g.head.state == ready; {
	case able && !g.inTurns:
		s.groupTurns.push(g)
	case !able && g.inTurns:
		s.groupTurns.remove(g)
	}
}

// groupTurns lists the groups that have a task to hand out. Each hands out one and goes
// to the end, so that a long group does not delay others.
type groupTurns struct {
	head, tail *group
	n          int
}

func (r *groupTurns) push(g *group) {
	g.prev, g.next, g.inTurns = r.tail, nil, true
	if r.tail != nil {
		r.tail.next = g
	} else {
		r.head = g
	}
	r.tail = g
	r.n++
}

func (r *groupTurns) remove(g *group) {
	if g.prev != nil {
		g.prev.next = g.next
	} else {
		r.head = g.next
	}
	if g.next != nil {
		g.next.prev = g.prev
	} else {
		r.tail = g.prev
	}
	g.prev, g.next, g.inTurns = nil, nil, false
	r.n--
}
