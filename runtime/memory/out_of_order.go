package memory

import "time"

// outOfOrder is a binary heap of items. It is like container/heap, which would cost an
// interface call for each comparison. Times are next to the items, so that most
// comparisons touch no item.
type outOfOrder []timedItem

type timedItem struct {
	at time.Duration
	it *item
}

// notInHeap is the position of an item that is in no heap.
const notInHeap = -1

func (a timedItem) before(b timedItem) bool {
	return a.at < b.at || a.at == b.at && a.it.seq < b.it.seq
}

func (h *outOfOrder) push(it *item) {
	*h = append(*h, timedItem{it.at, it})
	it.pos = len(*h) - 1
	h.up(it.pos)
}

func (h *outOfOrder) remove(it *item) {
	s, i := *h, it.pos
	last := len(s) - 1
	it.pos = notInHeap
	moved := s[last]
	s[last] = timedItem{}
	*h = s[:last]
	if i != last {
		(*h)[i] = moved
		moved.it.pos = i
		if !h.down(i) {
			h.up(i)
		}
	}
	h.shrink()
}

func (h outOfOrder) up(i int) {
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

func (h outOfOrder) down(i int) bool {
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
func (h *outOfOrder) shrink() {
	if room := cap(*h); room > keep && len(*h) < room/4 {
		*h = append(make(outOfOrder, 0, room/2), *h...)
	}
}
