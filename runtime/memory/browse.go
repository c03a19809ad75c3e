package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Browse lists tasks in the order in which they are handed out: ready tasks in line
// order (on a FIFO queue in the order in which they joined it), scheduled tasks by when
// they are due, leased tasks by when their leases end, dead tasks by when they died. A
// page begins after the position of the last task of the previous page, so that changes
// in between make no task appear twice.
func (q *queue) Browse(ctx context.Context, state driver.State, after string, limit int) ([]*driver.Task, string, error) {
	if err := driver.CheckBrowse(q.name, limit); err != nil {
		return nil, "", err
	}
	c, err := parseCursor(after)
	if err != nil {
		return nil, "", fmt.Errorf("queue %q: %w", q.name, err)
	}
	if err := q.enter(ctx); err != nil {
		return nil, "", err
	}
	defer q.leave()
	p := page{after: c, limit: limit}
	switch state {
	case driver.Ready:
		q.browseReady(&p)
	case driver.Scheduled:
		p.addQueue(&q.scheduled)
	case driver.Leased:
		p.addQueue(&q.leased)
	case driver.Dead:
		if q.dead != nil {
			q.dead.mu.Lock()
			defer q.dead.mu.Unlock()
			p.addDead(q.dead.groups[q.name])
		}
	default:
		return nil, "", fmt.Errorf("queue %q: %w: there is no state %q (ready, scheduled, leased or dead)", q.name, driver.ErrUnsupported, state)
	}
	tasks, next := p.copies()
	return tasks, next, nil
}

// Find implements [driver.Finder].
func (q *queue) Find(ctx context.Context, id string) ([]driver.Found, error) {
	if err := q.enter(ctx); err != nil {
		return nil, err
	}
	defer q.leave()
	var found []driver.Found
	for _, it := range q.withID(id) {
		f := driver.Found{Task: it.task.Clone(), State: driver.Ready, DueAt: q.at(it.due)}
		switch it.state {
		case scheduled:
			f.State = driver.Scheduled
		case leased:
			f.State, f.DueAt = driver.Leased, time.Time{}
		}
		found = append(found, f)
	}
	if q.dead == nil {
		return found, nil
	}
	q.dead.mu.Lock()
	defer q.dead.mu.Unlock()
	for _, it := range q.dead.withID(id) {
		if it.group != nil && it.group.key == q.name {
			found = append(found, driver.Found{Task: it.task.Clone(), State: driver.Dead})
		}
	}
	return found, nil
}

// withID returns the items with an ID, the oldest first.
func (s *queueState) withID(id string) (all []*item) {
	for it := s.ids.get(id); it != nil; it = it.nextSameID {
		all = append(all, it)
	}
	slices.SortFunc(all, func(a, b *item) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

// A page gathers the items after a cursor, up to a limit and one more that shows whether
// another page follows.
type page struct {
	line  int // of the items that are offered
	after cursor
	limit int
	found []placed
}

// placed is an item with its cursor.
type placed struct {
	cursor
	it *item
}

func (p *page) full() bool { return len(p.found) > p.limit }

// offer takes the item if its place is after the cursor, and reports whether it did.
func (p *page) offer(c cursor, it *item) bool {
	c.line = p.line
	if c.compare(p.after) <= 0 {
		return false
	}
	p.found = append(p.found, placed{c, it})
	return true
}

// addQueue takes the first ones of a timeQueue, out of its list and its heap.
func (p *page) addQueue(c *timeQueue) {
	for _, e := range c.outOfOrder {
		p.offer(cursor{at: e.at, seq: e.it.seq}, e.it)
		p.bound()
	}
	p.trim()
	for it, n := c.head, 0; it != nil && n <= p.limit; it = it.next {
		if p.offer(cursor{at: it.at, seq: it.seq}, it) {
			n++
		}
	}
	p.trim()
}

// bound keeps unordered finds from growing with the queue.
func (p *page) bound() {
	if len(p.found) > 4*p.limit+100 {
		p.trim()
	}
}

// trim sorts the finds and keeps those that the page can use.
func (p *page) trim() {
	slices.SortFunc(p.found, func(a, b placed) int { return a.compare(b.cursor) })
	p.found = p.found[:min(len(p.found), p.limit+1)]
}

// addDead takes the dead of one queue in the order in which they died.
func (p *page) addDead(g *group) {
	if g == nil {
		return
	}
	for it := g.head; it != nil && !p.full(); it = it.gnext {
		p.offer(cursor{seq: it.seq}, it)
	}
}

// browseReady takes the lines from the highest level down.
func (q *queue) browseReady(p *page) {
	for i := range q.lines {
		level := page{line: i, after: p.after, limit: p.limit - len(p.found)}
		if c := &q.lines[len(q.lines)-1-i]; q.kind == driver.FIFO {
			level.addInPlace(c)
		} else {
			level.addQueue(c)
		}
		if p.found = append(p.found, level.found...); p.full() {
			return
		}
	}
}

// addInPlace takes the first items of a timeQueue in the order of their places: within a
// group, a task that becomes due again keeps its place.
func (p *page) addInPlace(c *timeQueue) {
	for _, e := range c.outOfOrder {
		p.offer(cursor{seq: e.it.seq}, e.it)
		p.bound()
	}
	for it := c.head; it != nil; it = it.next {
		p.offer(cursor{seq: it.seq}, it)
		p.bound()
	}
	p.trim()
}

// copies returns the tasks of the page and the cursor of the next, if there is
// one.
func (p *page) copies() (tasks []*driver.Task, next string) {
	if p.full() {
		p.found = p.found[:p.limit]
		next = p.found[p.limit-1].String()
	}
	tasks = make([]*driver.Task, len(p.found))
	for i, f := range p.found {
		tasks[i] = f.it.task.Clone()
	}
	return tasks, next
}

// A cursor is a position in one of the orders of Browse. The zero cursor is before all.
type cursor struct {
	line int // from the highest level down
	at   time.Duration
	seq  uint64
}

func (c cursor) compare(d cursor) int {
	return cmp.Or(cmp.Compare(c.line, d.line), cmp.Compare(c.at, d.at), cmp.Compare(c.seq, d.seq))
}

const cursorFormat = "%d.%d.%d"

func (c cursor) String() string {
	return fmt.Sprintf(cursorFormat, c.line, int64(c.at), c.seq)
}

func parseCursor(s string) (c cursor, err error) {
	if s == "" {
		return cursor{at: -never}, nil
	}
	if _, err := fmt.Sscanf(s, cursorFormat, &c.line, &c.at, &c.seq); err != nil || c.String() != s {
		return c, fmt.Errorf("Browse: %q is not a cursor of this queue: begin with an empty one", s)
	}
	return c, nil
}
