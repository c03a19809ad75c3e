package pool

import "sync"

// A lease may end although its worker lives: the broker was away or did not answer, or
// the machine slept. A queue takes this for a crash, and counts one. The pool corrects
// it afterwards: it gives the task back with the receipt that is over by its own clock,
// which takes the crash back if the provider can (see Queue). It also keeps its own
// count, for providers that cannot.

// mostExcused bounds the tasks whose lost leases a pool remembers.
const mostExcused = 10_000

// excuses counts the leases that a pool has lost while it lived, by task. It is safe
// for use by many goroutines.
type excuses struct {
	mu sync.Mutex
	recall[taskKey, int]
}

func (e *excuses) add(task taskKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, _ := e.getLocked(task)
	e.putLocked(task, n+1)
}

func (e *excuses) count(task taskKey) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, _ := e.getLocked(task)
	return n
}

// forget is called when a task is finished.
func (e *excuses) forget(task taskKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetLocked(task)
}
