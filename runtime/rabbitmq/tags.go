package rabbitmq

import "slices"

// tags keeps the delivery tags of one channel that are not settled yet, so that
// a run of them can be acknowledged by one frame.
type tags struct {
	open  map[uint64]struct{}
	floor uint64 // all tags below are settled
	next  uint64 // the tag of the next delivery
}

func newTags() *tags { return &tags{open: make(map[uint64]struct{}), floor: 1, next: 1} }

// came notes a delivery, and returns the tags before it that never came.
func (t *tags) came(tag uint64) (missed []uint64) {
	for ; t.next < tag; t.next++ {
		missed = append(missed, t.next)
	}
	if tag >= t.next {
		t.next = tag + 1
	}
	t.open[tag] = struct{}{}
	return missed
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
	i, found := slices.BinarySearch(done, t.floor)
	_ = found // a tag at the floor is open, and none of these
	if i > 0 {
		multiple = done[i-1]
	}
	return multiple, done[i:]
}
