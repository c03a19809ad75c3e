package sqstest

import (
	"container/heap"
	"container/list"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A queue holds its messages in structures that make every operation cost the
// logarithm of their number at most. The lock of the Server guards it.
type queue struct {
	id       string // of this creation: a handle of a deleted queue is no handle of its successor
	name     string
	owner    string // its account
	fifo     bool
	settings settings
	tags     map[string]string
	created  time.Time
	modified time.Time
	purged   time.Time
	deleted  bool

	messages map[string]*message // by id
	ready    list.List           // of *message; standard queues
	groups   map[string]*group   // FIFO queues
	open     list.List           // of *group: those whose first message is ready, in turn
	hidden   hiddenHeap          // delayed and in flight, by when that ends
	delayed  int
	inFlight int
	oldest   time.Time // no message was sent before

	sequence uint64
	recent   dedups
	attempts map[string]*attempt // by ReceiveRequestAttemptId

	counted   [3]int    // what GetQueueAttributes gave last
	countedAt time.Time // by the machine's clock

	polls list.List // of *poll: ReceiveMessage calls that wait
	alarm driver.Timer
	moves []*move
}

// A group is the line of a message group, in the order of sending. Messages in
// flight keep their places.
type group struct {
	key      string
	messages list.List     // of *message
	turn     *list.Element // in queue.open; nil when it is not there
}

// add takes a new message in.
func (q *queue) add(m *message, now time.Time) {
	m.receivesHere, m.handle, m.hidden = 0, 0, -1
	if len(q.messages) == 0 || m.sent.Before(q.oldest) {
		q.oldest = m.sent
	}
	q.messages[m.id] = m
	if q.fifo {
		g := q.groups[m.group]
		if g == nil {
			g = &group{key: m.group}
			q.groups[m.group] = g
		}
		m.place = g.messages.PushBack(m)
	}
	if m.visibleAt.After(now) {
		q.hide(m, delayed, m.visibleAt)
	} else {
		q.show(m)
	}
}

// hide makes m invisible until a time.
func (q *queue) hide(m *message, s state, until time.Time) {
	q.leave(m)
	m.state, m.visibleAt = s, until
	q.count(m, 1)
	heap.Push(&q.hidden, m)
	if q.fifo {
		q.refresh(q.groups[m.group])
	}
}

// show makes m ready.
func (q *queue) show(m *message) {
	q.leave(m)
	m.state = ready
	if q.fifo {
		q.refresh(q.groups[m.group])
	} else {
		m.place = q.ready.PushBack(m)
	}
}

// leave takes m from where its state has put it. A message of a FIFO queue keeps
// its place in its group.
func (q *queue) leave(m *message) {
	if m.hidden >= 0 {
		heap.Remove(&q.hidden, m.hidden)
		q.count(m, -1)
	}
	if !q.fifo && m.place != nil {
		q.ready.Remove(m.place)
		m.place = nil
	}
}

func (q *queue) count(m *message, n int) {
	if m.state == delayed {
		q.delayed += n
	} else {
		q.inFlight += n
	}
}

// remove takes m off the queue.
func (q *queue) remove(m *message) {
	q.leave(m)
	delete(q.messages, m.id)
	if q.fifo {
		g := q.groups[m.group]
		g.messages.Remove(m.place)
		m.place = nil
		q.refresh(g)
	}
}

// refresh puts g among the open groups, or takes it away, by whether its first
// message is ready. What stands behind a message in flight waits for it, so the
// rest of the group needs no look.
func (q *queue) refresh(g *group) {
	first := g.messages.Front()
	isOpen := first != nil && first.Value.(*message).state == ready
	switch {
	case isOpen && g.turn == nil:
		g.turn = q.open.PushBack(g)
	case !isOpen && g.turn != nil:
		q.open.Remove(g.turn)
		g.turn = nil
	}
	if first == nil {
		delete(q.groups, g.key)
	}
}

// clear takes every message off the queue, and what it remembers of those sent.
func (q *queue) clear() {
	q.messages = make(map[string]*message)
	q.groups = make(map[string]*group)
	q.attempts = make(map[string]*attempt)
	q.ready.Init()
	q.open.Init()
	q.hidden, q.delayed, q.inFlight, q.recent = nil, 0, 0, dedups{}
}

// advance brings the queue to now: shows what is due and what was not deleted in
// time, and drops what was kept as long as the queue keeps messages.
func (q *queue) advance(now time.Time) {
	for len(q.hidden) > 0 && !q.hidden[0].visibleAt.After(now) {
		q.show(q.hidden[0])
	}
	if len(q.messages) == 0 || now.Sub(q.oldest) < q.settings.retention {
		return
	}
	oldest := now
	for _, m := range q.messages {
		if now.Sub(m.sent) >= q.settings.retention {
			q.remove(m)
		} else if m.sent.Before(oldest) {
			oldest = m.sent
		}
	}
	q.oldest = oldest
}

func (q *queue) visible() int { return len(q.messages) - len(q.hidden) }

// A hiddenHeap holds messages by visibleAt.
type hiddenHeap []*message

func (h hiddenHeap) Len() int           { return len(h) }
func (h hiddenHeap) Less(i, j int) bool { return h[i].visibleAt.Before(h[j].visibleAt) }

func (h hiddenHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].hidden, h[j].hidden = i, j
}

// Push is for package heap.
func (h *hiddenHeap) Push(x any) {
	m := x.(*message)
	m.hidden = len(*h)
	*h = append(*h, m)
}

// Pop is for package heap.
func (h *hiddenHeap) Pop() any {
	last := len(*h) - 1
	m := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	m.hidden = -1
	return m
}

// dedups are the deduplication ids of the last five minutes.
type dedups struct {
	byKey map[string]sentOnce
	order []string // the keys, by the time of sending
}

type sentOnce struct {
	id, sequence string
	at           time.Time
}

const dedupInterval = 5 * time.Minute

func (d *dedups) find(key string, now time.Time) (sentOnce, bool) {
	for len(d.order) > 0 && now.Sub(d.byKey[d.order[0]].at) >= dedupInterval {
		delete(d.byKey, d.order[0])
		d.order = d.order[1:]
	}
	once, ok := d.byKey[key]
	return once, ok
}

func (d *dedups) remember(key string, once sentOnce) {
	if d.byKey == nil {
		d.byKey = make(map[string]sentOnce)
	}
	d.byKey[key] = once
	d.order = append(d.order, key)
}
