package pool

import "github.com/taskgen/taskgen/runtime/driver"

// Quiet makes the pool begin nothing more until Resume. What it has fetched and not begun
// goes back to the queues, uncharged; handlers that run go on. A pool that is started
// while it is quiet waits for Resume. A Drain works as ever.
func (p *Pool) Quiet() { p.setQuiet(true) }

// Resume ends what Quiet began.
func (p *Pool) Resume() { p.setQuiet(false) }

// IsQuiet reports whether Quiet was called, and Resume was not since.
func (p *Pool) IsQuiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.quiet
}

func (p *Pool) setQuiet(quiet bool) {
	p.mu.Lock()
	p.quiet = quiet
	r := p.run
	p.mu.Unlock()
	if r == nil {
		return
	}
	r.mon.Lock()
	defer r.mon.unlockAndLog()
	if !r.ahead || r.quiet == quiet { // no fetchers, or nothing to do
		return
	}
	r.quiet = quiet
	for _, c := range r.consumers {
		if quiet {
			c.giveAllBackLocked()
		} else {
			c.fetcher.notifyLocked(c.buffered)
		}
	}
}

// Cancel ends the run of a task: the context of its handler ends with the cause
// ErrCancelled. If the handler then returns an error, the task is taken off its queue
// for good, and is not retried. A task that the pool has fetched and not begun does not
// begin. Cancel reports whether the pool has the task.
func (p *Pool) Cancel(id string) bool {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r == nil {
		return false
	}
	r.mon.Lock()
	defer r.mon.Unlock()
	found := false
	for _, c := range r.consumers {
		for _, b := range c.open {
			for i := range b.items {
				it := &b.items[i]
				if it.state != buffered && it.state != running || it.lost || it.d.Task.ID != id {
					continue
				}
				it.cancelled, found = true, true
				if it.state == running {
					it.ctx.cancel(driver.ErrCancelled)
				}
			}
		}
	}
	return found
}

// isCancelled reports whether Cancel was called for an item.
func (r *run) isCancelled(it *item) bool {
	r.mon.Lock()
	defer r.mon.Unlock()
	return it.cancelled
}
