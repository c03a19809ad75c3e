package memory

import "hash/maphash"

// An idTable finds tasks by ID. It is a custom hash table, because each task needs
// three lookups, and with a map they took a quarter of the total time. An entry is 8
// bytes without a pointer instead of 24 with two, so that the table of a long queue
// fits a cache and costs the garbage collector nothing, and growing touches no task
// (see BenchmarkIDTable).
//
// It uses linear probing: an entry is at the position of its hash or at the first free
// one after it, and removing an entry moves up those behind it.
type idTable struct {
	items   *slab
	seed    maphash.Seed
	entries []idEntry // a power of two, at most half of them in use
	n       int
}

type idEntry struct {
	hash uint32
	ref  uint32 // the task's slot plus 1; 0: free
}

const fewestIDs = 64

func newIDTable(items *slab) idTable {
	return idTable{items: items, seed: maphash.MakeSeed(), entries: make([]idEntry, fewestIDs)}
}

func (t *idTable) hash(id string) uint32 { return uint32(maphash.String(t.seed, id)) }

// An idSlot is where the entry of an ID is, or would be. It is valid until the table
// changes.
type idSlot struct {
	index, hash uint32
	taken       bool
}

func (t *idTable) find(id string) idSlot {
	hash, mask := t.hash(id), uint32(len(t.entries)-1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch e := t.entries[i]; {
		case e.ref == 0:
			return idSlot{i, hash, false}
		case e.hash == hash && t.at(e).task.ID == id:
			return idSlot{i, hash, true}
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

// put enters a task at the slot of its ID, before any others with it.
func (t *idTable) put(p idSlot, it *item) {
	e := &t.entries[p.index]
	if p.taken {
		it.nextSameID = t.at(*e)
		e.ref = it.slot + 1
		return
	}
	*e = idEntry{p.hash, it.slot + 1}
	if t.n++; t.n > len(t.entries)/2 {
		t.resize(2 * len(t.entries))
	}
}

// remove takes a task off the table, but none of the others with its ID.
func (t *idTable) remove(it *item) {
	i, mask := t.hash(it.task.ID), uint32(len(t.entries)-1)
	for i &= mask; t.entries[i].ref != it.slot+1; i = (i + 1) & mask {
		if t.entries[i].ref == 0 { // a newer one with its ID has the entry
			t.removeDuplicate(it)
			return
		}
	}
	if it.nextSameID != nil {
		t.entries[i].ref = it.nextSameID.slot + 1
		return
	}
	t.vacate(i)
}

func (t *idTable) removeDuplicate(it *item) {
	newer := t.get(it.task.ID)
	for newer.nextSameID != it {
		newer = newer.nextSameID
	}
	newer.nextSameID = it.nextSameID
}

// vacate frees an entry and moves up entries behind it that can be nearer to the position
// of their hash.
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

// wasteful reports whether the table is much larger than necessary.
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
