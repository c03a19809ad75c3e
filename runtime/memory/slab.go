package memory

import "math/bits"

// A slab stores items in chunks of 64 and reuses them: a busy queue allocates none, and
// an item is found by its slot without a map. trim releases chunks that stay wholly
// free, except for a few.
type slab struct {
	chunks   []*chunk // by number; nil: released
	withFree *chunk   // the first of a list of the chunks with a free slot
	vacant   []uint32 // numbers of released chunks
	spare    int      // chunks that are wholly free
	unused   int      // the fewest spare chunks since the last trim
	live     int      // items in use
}

const (
	chunkBits = 6
	chunkSize = 1 << chunkBits
	allFree   = ^uint64(0)
)

type chunk struct {
	free       uint64 // one bit for each slot
	number     uint32
	prev, next *chunk // in the list of chunks with a free slot
	items      [chunkSize]item
}

func (s *slab) alloc() *item {
	c := s.withFree
	if c == nil {
		c = s.grow()
	}
	if c.free == allFree {
		s.spare--
		s.unused = min(s.unused, s.spare)
	}
	i := bits.TrailingZeros64(c.free)
	c.free &^= 1 << i
	if c.free == 0 {
		s.unlink(c)
	}
	s.live++
	it := &c.items[i]
	it.slot, it.pos = c.number<<chunkBits|uint32(i), notInHeap
	return it
}

// at returns the item in use at a slot, or nil.
func (s *slab) at(slot uint32) *item {
	n := slot >> chunkBits
	if int(n) >= len(s.chunks) || s.chunks[n] == nil || s.chunks[n].free&(1<<(slot%chunkSize)) != 0 {
		return nil
	}
	return &s.chunks[n].items[slot%chunkSize]
}

func (s *slab) free(it *item) {
	c := s.chunks[it.slot>>chunkBits]
	i := it.slot % chunkSize
	*it = item{}
	if c.free == 0 {
		s.link(c)
	}
	c.free |= 1 << i
	s.live--
	if c.free == allFree {
		s.spare++
	}
}

// trim releases the chunks that were not used since the last trim, except for a few, or
// the whole slab with its index if none was used.
func (s *slab) trim() {
	if s.unused > keep/chunkSize && s.unused == len(s.chunks)-len(s.vacant) {
		*s = slab{}
		return
	}
	for i := 0; i < len(s.chunks) && s.unused > keep/chunkSize; i++ {
		if c := s.chunks[i]; c != nil && c.free == allFree {
			s.unlink(c)
			s.chunks[i] = nil
			s.vacant = append(s.vacant, c.number)
			s.spare--
			s.unused--
		}
	}
	s.unused = s.spare
}

func (s *slab) grow() *chunk {
	c := &chunk{free: allFree}
	if n := len(s.vacant); n > 0 {
		c.number = s.vacant[n-1]
		s.vacant = s.vacant[:n-1]
		s.chunks[c.number] = c
	} else {
		c.number = uint32(len(s.chunks))
		s.chunks = append(s.chunks, c)
	}
	s.spare++
	s.link(c)
	return c
}

func (s *slab) link(c *chunk) {
	c.prev, c.next = nil, s.withFree
	if s.withFree != nil {
		s.withFree.prev = c
	}
	s.withFree = c
}

func (s *slab) unlink(c *chunk) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.withFree = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}
