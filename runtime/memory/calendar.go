package memory

import "time"

// A calendar orders items by a time, the earliest first, and those of one time by
// their place. It is a binary heap like that of container/heap, which would
// cost a call through an interface for each comparison. An item knows its
// index, and is in one heap at most.
type calendar []entry

type entry struct {
	at time.Duration
	it *item
}

const inNoHeap = -1

func (a entry) before(b entry) bool {
	return a.at < b.at || a.at == b.at && a.it.seq < b.it.seq
}

// due reports whether the first item's time has come.
func (h calendar) due(now time.Duration) bool { return len(h) > 0 && h[0].at <= now }

// next is the time of the first item, never without one.
func (h calendar) next() time.Duration {
	if len(h) == 0 {
		return never
	}
	return h[0].at
}

func (h *calendar) push(at time.Duration, it *item) {
	*h = append(*h, entry{at, it})
	it.pos = len(*h) - 1
	h.up(it.pos)
}

func (h *calendar) pop() *item {
	it := (*h)[0].it
	h.remove(it)
	return it
}

func (h *calendar) remove(it *item) {
	s, i := *h, it.pos
	last := len(s) - 1
	it.pos = inNoHeap
	moved := s[last]
	s[last] = entry{}
	*h = s[:last]
	if i != last {
		(*h)[i] = moved
		moved.it.pos = i
		h.fix(i)
	}
	h.shrink()
}

// move changes the time of an item that is in the heap.
func (h calendar) move(at time.Duration, it *item) {
	h[it.pos].at = at
	h.fix(it.pos)
}

func (h calendar) fix(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

func (h calendar) up(i int) {
	e := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(h[parent]) {
			break
		}
		h[i] = h[parent]
		h[i].it.pos = i
		i = parent
	}
	h[i] = e
	e.it.pos = i
}

func (h calendar) down(i int) bool {
	e, from := h[i], i
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if right := child + 1; right < len(h) && h[right].before(h[child]) {
			child = right
		}
		if !h[child].before(e) {
			break
		}
		h[i] = h[child]
		h[i].it.pos = i
		i = child
	}
	h[i] = e
	e.it.pos = i
	return i > from
}

// shrink halves the room of a large heap that is mostly empty.
func (h *calendar) shrink() {
	if room := cap(*h); room > keep && len(*h) < room/4 {
		*h = append(make(calendar, 0, room/2), *h...)
	}
}
