package pool

import (
	"slices"
	"time"
)

// next hands back a worker's finished item and returns its next one, to be run
// with ctx, and when that begins: now, if there was no wait. It returns nil when
// the shift ends.
func (s *shift) next(done *item, took time.Duration, now time.Time, ctx *taskContext) (*item, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done != nil {
		s.freed = now
		s.finish(done, took)
	}
	waited := false
	for {
		if s.stopping {
			return nil, now
		}
		if waited {
			now = time.Now()
		}
		if it := s.choose(now); it != nil {
			it.state, it.ctx = running, ctx
			last := len(s.places) - 1
			it.place, s.places = s.places[last], s.places[:last]
			s.busy[it.place] = now
			it.lane().gate.enter(now)
			it.gate.enter(now)
			s.runs++
			it.lane().fetchIfLow()
			return it, now
		}
		waited = true
		s.parked++
		s.hintAll()
		s.work.Wait()
		s.parked--
	}
}

// finish takes a run's outcome. s.mu is held.
func (s *shift) finish(it *item, took time.Duration) {
	l := it.lane()
	l.fetcher.ran(took)
	s.busy[it.place] = time.Time{}
	s.places = append(s.places, it.place)
	l.gate.leave()
	it.gate.leave()
	if l.gate != nil || it.gate != nil {
		s.wake(1)
		s.hintAll()
	}
	it.ctx = nil
	if it.lost {
		l.strays--
		if it.over {
			l.strand(it)
		}
	}
	if it.lost || it.outcome == Abandoned {
		l.close(it)
		return
	}
	l.settle(it)
}

// wake gets up to n parked workers to look for work.
func (s *shift) wake(n int) {
	for range min(n, s.parked) {
		s.work.Signal()
	}
}

// hintAll tells what waits for workers to become free: the fetchers, which may
// fetch for them, and when all are free the ackers, which need not wait for more.
func (s *shift) hintAll() {
	for _, l := range s.active {
		l.fetchIfLow()
		if s.parked == s.p.cfg.Workers && len(l.acks) > 0 {
			l.acker.kick()
		}
	}
}

// lookAgain makes parked workers and fetchers look again after d. 0: they will
// be told otherwise.
func (s *shift) lookAgain(d time.Duration) {
	at := time.Now().Add(d)
	if d <= 0 || s.stopping || (!s.alarmAt.IsZero() && !at.Before(s.alarmAt)) {
		return
	}
	s.alarmAt = at
	if s.alarm == nil {
		s.alarm = time.AfterFunc(d, s.ring)
		return
	}
	s.alarm.Reset(d)
}

func (s *shift) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alarmAt = time.Time{}
	s.unhoard(time.Now())
	s.work.Broadcast()
	s.hintAll()
}

// unhoard gives back what was fetched ahead when the workers have been busy with
// other tasks for long: another process may have time for it.
func (s *shift) unhoard(now time.Time) {
	if !s.ahead || s.stopping || s.parked > 0 {
		return
	}
	for _, l := range s.active {
		if l.buffered+len(l.held) == 0 {
			continue
		}
		if left := l.fetcher.patience() - now.Sub(s.freed); left > 0 {
			s.lookAgain(left)
			continue
		}
		l.giveAllBack()
	}
}

// choose picks the lane to serve by priority and takes an item from it.
func (s *shift) choose(now time.Time) *item {
	if len(s.lanes) == 1 {
		return s.lanes[0].take(now)
	}
	if s.p.cfg.Strict {
		return s.chooseStrict(now)
	}
	return s.chooseWeighted(now)
}

func (s *shift) chooseStrict(now time.Time) *item {
	for _, l := range s.lanes {
		if it := l.take(now); it != nil {
			return it
		}
		if d := l.fetcher.expects(now); d > 0 {
			s.lookAgain(d) // it may have a task yet: the lower queues wait
			return nil
		}
	}
	return nil
}

// chooseWeighted is stride scheduling: each start moves its lane's pass on by
// the inverse of the weight, and the lane that is furthest behind is next. One
// that has run out and is about to get more is waited for, else its share would
// go to those whose broker is nearer.
func (s *shift) chooseWeighted(now time.Time) *item {
	s.round++
	s.active = slices.DeleteFunc(s.active, func(l *lane) bool {
		l.active = l.taken > 0 || l.fetcher.waiting || l.promises(now)
		return !l.active
	})
	for {
		var best *lane
		for _, l := range s.active {
			if l.tried != s.round && (best == nil || l.pass < best.pass) && l.promises(now) {
				best = l
			}
		}
		if best == nil {
			return nil
		}
		if best.buffered+len(best.held) == 0 {
			s.lookAgain(best.fetcher.expects(now))
			return nil
		}
		if it := best.take(now); it != nil {
			s.pass = best.pass
			best.pass += best.share
			return it
		}
		best.tried = s.round
	}
}

// activate adds the lane to those that are looked at by all. s.mu is held.
func (l *lane) activate() {
	if !l.active {
		l.active = true
		l.s.active = append(l.s.active, l)
	}
}

// promises reports whether the lane has a task, or will have one in a moment.
func (l *lane) promises(now time.Time) bool {
	return l.buffered+len(l.held) > 0 || l.fetcher.more && l.fetcher.expects(now) > 0
}
