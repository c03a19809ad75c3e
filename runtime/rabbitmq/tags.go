package rabbitmq

import "slices"

// tags keeps the delivery tags of one channel that are not settled yet, so that one
// frame can acknowledge a run of them.
type tags struct {
	open    map[uint64]struct{}
	missing map[uint64]struct{} // those among them whose delivery has not been seen
	floor   uint64              // all tags below are settled
	next    uint64              // the tag after the highest that was seen
}

func newTags() *tags {
	return &tags{open: make(map[uint64]struct{}), missing: make(map[uint64]struct{}), floor: 1, next: 1}
}

// came records a delivery. Deliveries of several consumers may not be in the order of
// their tags.
func (t *tags) came(tag uint64) {
	for ; t.next <= tag; t.next++ {
		t.open[t.next] = struct{}{}
		t.missing[t.next] = struct{}{}
	}
	delete(t.missing, tag)
}

// dropped returns the tags whose delivery has not come, and settles them. It is
// for a moment at which none is on its way.
func (t *tags) dropped() (lost []uint64) {
	for tag := range t.missing {
		lost = append(lost, tag)
	}
	clear(t.missing)
	t.settle(lost)
	return lost
}

// settle takes tags that are about to be acknowledged. All those up to multiple
// can be acknowledged at once, where that is not 0, and singles one by one.
func (t *tags) settle(done []uint64) (multiple uint64, singles []uint64) {
	slices.Sort(done)
	for _, tag := range done {
		delete(t.open, tag)
	}
	for t.floor < t.next {
		if _, open := t.open[t.floor]; open {
			break
		}
		t.floor++
	}
	i, _ := slices.BinarySearch(done, t.floor) // which is open, and none of these
	if i > 0 {
		multiple = done[i-1]
	}
	return multiple, done[i:]
}
