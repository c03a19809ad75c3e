package measure

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/taskgen/taskgen/runtime/observe"
)

// Unknown is the label of all types that no handler, no queue and no server declares.
// Anyone who can enqueue may invent types, and each label value costs memory forever.
const Unknown = "unknown"

// Types are the task types of a program: those that its queues declare, that its pools have
// handlers for, and that its server knows. It is safe for concurrent use. The zero value
// knows none.
type Types struct {
	mu     sync.Mutex
	labels atomic.Pointer[map[string]string] // by the name in a task; replaced, never changed
}

// Label returns the label of a type: its name, that of the type whose alias it is, or
// Unknown.
func (ts *Types) Label(name string) string {
	if labels := ts.labels.Load(); labels != nil {
		if label, ok := (*labels)[name]; ok {
			return label
		}
	}
	return Unknown
}

// Learn adds types.
func (ts *Types) Learn(names ...string) {
	ts.change(func(labels map[string]string) {
		for _, name := range names {
			labels[name] = name
		}
	})
}

// LearnType adds a type with its aliases.
func (ts *Types) LearnType(t observe.Type) {
	ts.change(func(labels map[string]string) {
		for _, alias := range t.Aliases {
			labels[alias] = t.Name
		}
		labels[t.Name] = t.Name
	})
}

func (ts *Types) change(change func(map[string]string)) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	labels := make(map[string]string)
	if known := ts.labels.Load(); known != nil {
		labels = maps.Clone(*known)
	}
	change(labels)
	ts.labels.Store(&labels)
}
