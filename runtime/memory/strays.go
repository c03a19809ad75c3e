package memory

import "time"

// strays are a binary heap of items. It is like container/heap, which would cost an
// interface call for each comparison. Times are next to the items, so that most
// comparisons touch no item.
type strays []stray

type stray struct {
	at time.Duration
	it *item
}

// notStray is the position of an item that is in no heap.
const notStray = -1

func (a stray) before(b stray) bool {
	return a.at < b.at || a.at == b.at && a.it.seq < b.it.seq
}

func (h *strays) push(it *item) {
	*h = append(*h, stray{it.at, it})
	it.pos = len(*h) - 1
	h.up(it.pos)
}

func (h *strays) remove(it *item) {
	s, i := *h, it.pos
	last := len(s) - 1
	it.pos = notStray
	moved := s[last]
	s[last] = stray{}
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

func (h strays) up(i int) {
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

func (h strays) down(i int) bool {
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
func (h *strays) shrink() {
	if room := cap(*h); room > keep && len(*h) < room/4 {
		*h = append(make(strays, 0, room/2), *h...)
	}
}
