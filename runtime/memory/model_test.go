package memory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The model is a queue as simple as can be: one slice, searched and sorted for
// each question. The property test holds the provider against it.
type model struct {
	name  string
	kind  driver.QueueType
	tasks []*modelTask
	keys  map[string]*modelKey
	place int
}

type modelTask struct {
	task    driver.Task
	state   driver.State
	due     time.Time
	place   int  // the order of tasks that are due at the same time
	stays   bool // it keeps its place when it becomes due
	begun   bool
	crashes int
	ended   map[int]bool // deliveries whose lease ended: each a crash
	ends    time.Time    // of the lease
	lease   int          // which delivery holds it
	origin  string
}

type modelKey struct {
	id    string
	until time.Time // zero: no window
	owner *modelTask
}

func (m *model) advance(now time.Time) {
	var due []*modelTask
	for _, mt := range m.tasks {
		switch {
		case mt.state == driver.Scheduled && !mt.due.After(now):
			due = append(due, mt)
		case mt.state == driver.Leased && !mt.ends.After(now):
			mt.state = driver.Ready
			mt.crashes++
			if mt.ended == nil {
				mt.ended = make(map[int]bool)
			}
			mt.ended[mt.lease] = true
		}
	}
	slices.SortFunc(due, byDue)
	for _, mt := range due {
		m.becomeReady(mt)
	}
	for text, k := range m.keys {
		if !k.until.IsZero() && !k.until.After(now) {
			delete(m.keys, text)
		}
	}
}

func byDue(a, b *modelTask) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.place, b.place)) }

func byPlace(a, b *modelTask) int { return cmp.Compare(a.place, b.place) }

func (m *model) becomeReady(mt *modelTask) {
	mt.state = driver.Ready
	if mt.stays {
		return
	}
	m.place++
	mt.place = m.place
	mt.stays = m.kind == driver.FIFO
}

func (m *model) schedule(mt *modelTask, due, now time.Time) {
	if due.After(now) {
		mt.state, mt.due = driver.Scheduled, due
		return
	}
	mt.due = now
	m.becomeReady(mt)
}

func (m *model) add(t driver.Task, due, now time.Time) *modelTask {
	m.place++
	t.Metadata = maps.Clone(t.Metadata)
	mt := &modelTask{task: t, place: m.place}
	m.tasks = append(m.tasks, mt)
	m.schedule(mt, due, now)
	return mt
}

func (m *model) remove(mt *modelTask) {
	m.tasks = slices.DeleteFunc(m.tasks, func(x *modelTask) bool { return x == mt })
	for text, k := range m.keys {
		if k.owner == mt {
			k.owner = nil
			if k.until.IsZero() {
				delete(m.keys, text)
			}
		}
	}
}

func (m *model) in(states ...driver.State) (found []*modelTask) {
	for _, mt := range m.tasks {
		if slices.Contains(states, mt.state) {
			found = append(found, mt)
		}
	}
	return found
}

func (m *model) find(id string) *modelTask {
	for _, mt := range m.tasks {
		if mt.task.ID == id {
			return mt
		}
	}
	return nil
}

// line is the ready tasks in the order that Browse lists them.
func (m *model) line() []*modelTask {
	found := m.in(driver.Ready)
	slices.SortFunc(found, func(a, b *modelTask) int {
		switch m.kind {
		case driver.Priority:
			return cmp.Or(cmp.Compare(b.task.Priority, a.task.Priority), byDue(a, b))
		case driver.FIFO:
			return byPlace(a, b)
		default:
			return byDue(a, b)
		}
	})
	return found
}

// firsts is, for each group of a FIFO queue, the task that may be handed out.
func (m *model) firsts() map[string]*modelTask {
	heads := make(map[string]*modelTask)
	for _, mt := range m.tasks {
		if h := heads[mt.task.GroupKey]; mt.stays && (h == nil || mt.place < h.place) {
			heads[mt.task.GroupKey] = mt
		}
	}
	maps.DeleteFunc(heads, func(_ string, mt *modelTask) bool { return mt.state != driver.Ready })
	return heads
}

func (m *model) oldestAge(now time.Time) (age time.Duration) {
	for _, mt := range m.in(driver.Ready) {
		age = max(age, now.Sub(mt.due))
	}
	return age
}

func (m *model) from(origin string) (found []*modelTask) {
	for _, mt := range m.tasks {
		if mt.origin == origin {
			found = append(found, mt)
		}
	}
	slices.SortFunc(found, byPlace)
	return found
}

func taskIDs(ms []*modelTask) []string {
	ids := make([]string, len(ms))
	for i, mt := range ms {
		ids[i] = mt.task.ID
	}
	return ids
}
