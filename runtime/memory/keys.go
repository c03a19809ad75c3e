package memory

import (
	"container/heap"
	"time"
)

// A keyTable has the unique keys that are taken.
type keyTable struct {
	byKey   map[string]*key
	windows windows // keys with a window
	peak    peak
}

type key struct {
	text  string
	id    string // of the task that took it
	due   time.Time
	owner *item         // that task, while it is on the queue
	until time.Duration // the end of its window; 0: none
}

// taken returns the entry of a taken key, or nil.
func (t *keyTable) taken(text string) *key { return t.byKey[text] }

// take gives an item its unique key until the window ends, or without a window until the
// item leaves the queue.
func (t *keyTable) take(it *item, window, now time.Duration, due time.Time) {
	if t.byKey == nil {
		t.byKey = make(map[string]*key)
	}
	k := &key{text: it.task.UniqueKey, id: it.task.ID, owner: it, due: due}
	it.holds = true
	t.byKey[k.text] = k
	t.peak.note(len(t.byKey))
	if window > 0 {
		k.until = later(now, window)
		heap.Push(&t.windows, k)
	}
}

// release frees the key of a task that leaves the queue.
func (t *keyTable) release(it *item) {
	if !it.holds {
		return
	}
	it.holds = false
	k := t.byKey[it.task.UniqueKey]
	k.owner = nil
	if k.until == 0 {
		delete(t.byKey, k.text)
	}
}

// expire frees the keys whose windows are over.
func (t *keyTable) expire(now time.Duration) {
	for len(t.windows) > 0 && t.windows[0].until <= now {
		k := heap.Pop(&t.windows).(*key)
		if k.owner != nil {
			k.owner.holds = false
		}
		delete(t.byKey, k.text)
	}
}

// windows is a heap (see container/heap) of keys by the end of their windows.
type windows []*key

func (w windows) next() time.Duration {
	if len(w) == 0 {
		return never
	}
	return w[0].until
}

func (w windows) Len() int           { return len(w) }
func (w windows) Less(i, j int) bool { return w[i].until < w[j].until }
func (w windows) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *windows) Push(k any)        { *w = append(*w, k.(*key)) }

func (w *windows) Pop() any {
	s := *w
	k := s[len(s)-1]
	s[len(s)-1] = nil
	*w = s[:len(s)-1]
	if room := cap(*w); room > keep && len(*w) < room/4 {
		*w = append(make(windows, 0, room/2), *w...)
	}
	return k
}
