package pool

// Quiet makes the pool begin nothing more until Resume. What it has fetched and not begun
// goes back to the queues, uncharged; handlers that run go on. A pool that is started
// while it is quiet waits for Resume. A Drain works as usual.
func (p *Pool) Quiet() { p.setQuiet(true) }

// Resume ends what Quiet began.
func (p *Pool) Resume() { p.setQuiet(false) }

// IsQuiet reports whether Quiet was called, and Resume was not since.
func (p *Pool) IsQuiet() bool { return p.quiet.Load() }

func (p *Pool) setQuiet(quiet bool) {
	p.quiet.Store(quiet)
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r == nil {
		return
	}
	r.mon.Lock()
	defer r.mon.unlockAndLog()
	for _, c := range r.consumers {
		if r.isQuietLocked() {
			c.giveAllBackLocked()
		} else {
			c.notifyFetcherLocked()
		}
	}
}

// isQuietLocked reports whether the run is to begin nothing more. One without fetchers, a
// Drain's, goes on.
func (r *run) isQuietLocked() bool { return r.ahead && r.p.quiet.Load() }

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
		for it := range c.itemsLocked() {
			if it.lost || it.state == settling || it.d.Task.ID != id {
				continue
			}
			found = true
			c.cancelLocked(it)
		}
	}
	return found
}

// isCancelled reports whether Cancel was called for an item that ran.
func (r *run) isCancelled(it *item) bool {
	r.mon.Lock()
	defer r.mon.Unlock()
	return it.cancelled
}

// storeCancelled stores the failure of a task that was cancelled before it began, for
// those who await its result.
func (r *run) storeCancelled(it *item) {
	if policy := r.policyOf(it.d.Task.Type); policy.Result {
		r.store(r.base, it, policy, nil, string(Cancelled))
	}
}
