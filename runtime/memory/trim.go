package memory

import (
	"maps"
	"time"
)

// keep is how many entries an idle table or slab holds on to.
const keep = 4096

// trimAfter is how long memory beyond keep stays unused before it is released. A queue
// that fills and drains all the time therefore allocates nothing again, and one that has
// drained is small a moment later.
const trimAfter = time.Second

// wasteful reports whether a trim may find something.
func (s *queueState) wasteful() bool {
	return s.items.spare > keep/chunkSize || s.ids.wasteful() ||
		s.keys.peak.wasteful(len(s.keys.byKey)) || s.groupPeak.wasteful(len(s.groups))
}

// trim releases memory that was not used since the previous trim.
func (s *queueState) trim() {
	s.items.trim()
	s.ids.trim()
	s.keys.byKey = trimMap(s.keys.byKey, &s.keys.peak)
	s.groups = trimMap(s.groups, &s.groupPeak)
}

// A peak records how large a map has been. Maps do not shrink: one that has become much
// too large is copied.
type peak struct {
	ever   int // since the map was made: it has room for as many
	lately int // since the last trim
}

func (p *peak) note(n int) {
	p.lately = max(p.lately, n)
	p.ever = max(p.ever, n)
}

func (p *peak) wasteful(n int) bool { return p.ever > keep && n < p.ever/4 }

func trimMap[K comparable, V any](m map[K]V, p *peak) map[K]V {
	if p.wasteful(p.lately) {
		small := make(map[K]V, len(m))
		maps.Copy(small, m)
		m, p.ever = small, len(m)
	}
	p.lately = len(m)
	return m
}
