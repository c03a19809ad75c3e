package memory

import "hash/maphash"

// An idTable finds tasks by ID. It is a hash table of its own and not a map for
// it is asked three times on the way of each task, and that was a quarter of the
// whole way's time: an entry is 8 bytes without a pointer in place of 24 with
// two, so that a long queue's table fits a cache and is nothing to the garbage
// collector, and growing looks at no task (see BenchmarkIDTable).
//
// It uses linear probing: an entry stands at the place that its hash says or at
// the first free one after, and removing one moves those behind it up.
type idTable struct {
	items   *slab
	seed    maphash.Seed
	entries []idEntry // as many as a power of two, at most half of them in use
	n       int
}

type idEntry struct {
	hash uint32
	ref  uint32 // the task's slot and 1; 0: free
}

const fewestIDs = 64

func newIDTable(items *slab) idTable {
	return idTable{items: items, seed: maphash.MakeSeed(), entries: make([]idEntry, fewestIDs)}
}

func (t *idTable) hash(id string) uint32 { return uint32(maphash.String(t.seed, id)) }

// A place is where the entry of an ID is, or would stand. It holds good until
// the table changes.
type place struct {
	index, hash uint32
	taken       bool
}

func (t *idTable) find(id string) place {
	hash, mask := t.hash(id), uint32(len(t.entries)-1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch e := t.entries[i]; {
		case e.ref == 0:
			return place{i, hash, false}
		case e.hash == hash && t.at(e).task.ID == id:
			return place{i, hash, true}
		}
	}
}

func (t *idTable) at(e idEntry) *item { return t.items.at(e.ref - 1) }

// get returns the task with an ID, the newest of several, or nil.
func (t *idTable) get(id string) *item {
	if p := t.find(id); p.taken {
		return t.at(t.entries[p.index])
	}
	return nil
}

// put enters a task at the place of its ID, before its twins if it has any.
func (t *idTable) put(p place, it *item) {
	e := &t.entries[p.index]
	if p.taken {
		it.twin = t.at(*e)
		e.ref = it.slot + 1
		return
	}
	*e = idEntry{p.hash, it.slot + 1}
	if t.n++; t.n > len(t.entries)/2 {
		t.resize(2 * len(t.entries))
	}
}

// remove takes a task off the table, but none of its twins.
func (t *idTable) remove(it *item) {
	i, mask := t.hash(it.task.ID), uint32(len(t.entries)-1)
	for i &= mask; t.entries[i].ref != it.slot+1; i = (i + 1) & mask {
		if t.entries[i].ref == 0 { // it has no entry: a newer twin has
			t.removeTwin(it)
			return
		}
	}
	if it.twin != nil {
		t.entries[i].ref = it.twin.slot + 1
		return
	}
	t.vacate(i)
}

func (t *idTable) removeTwin(it *item) {
	newer := t.get(it.task.ID)
	for newer.twin != it {
		newer = newer.twin
	}
	newer.twin = it.twin
}

// vacate frees an entry and moves up those behind it that may stand nearer to
// where their hashes say.
func (t *idTable) vacate(free uint32) {
	mask := uint32(len(t.entries) - 1)
	for i := (free + 1) & mask; t.entries[i].ref != 0; i = (i + 1) & mask {
		if e := t.entries[i]; (i-e.hash)&mask >= (i-free)&mask {
			t.entries[free] = e
			free = i
		}
	}
	t.entries[free] = idEntry{}
	t.n--
}

func (t *idTable) resize(n int) {
	old := t.entries
	t.entries = make([]idEntry, n)
	mask := uint32(n - 1)
	for _, e := range old {
		if e.ref == 0 {
			continue
		}
		i := e.hash & mask
		for t.entries[i].ref != 0 {
			i = (i + 1) & mask
		}
		t.entries[i] = e
	}
}

// wasteful reports whether the table is much larger than it has to be.
func (t *idTable) wasteful() bool { return len(t.entries) > 4*keep && t.n < len(t.entries)/8 }

// trim halves a table as often as leaves three quarters of it empty.
func (t *idTable) trim() {
	n := len(t.entries)
	for n > fewestIDs && t.n < n/4 {
		n /= 2
	}
	if n < len(t.entries) {
		t.resize(n)
	}
}
