package memory

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/internal/waiters"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// Jobs keeps a scheduler's jobs in memory. It is a [jobstore.Store], and safe for
// concurrent use. The jobs end with the process.
type Jobs struct {
	clock driver.Clock

	mu      sync.Mutex
	byID    map[jobstore.JobID]*job
	due     map[jobstore.Needs]*timeHeap[*job] // none is empty
	waiting map[chan struct{}]bool             // closed when an entry has become due earlier
}

var _ jobstore.Store = (*Jobs)(nil)

// A job is an entry, and when it is next handled.
type job struct {
	entry *jobstore.Entry
	needs jobstore.Needs
	at    time.Time // when it is next handled: its Wake, the end of a lease, or its Forget
	index int       // in Jobs.due; absent when at is zero
}

func (j *job) before(k *job) bool { return j.at.Before(k.at) }
func (j *job) heapIndex() *int    { return &j.index }

// NewJobs returns an empty store.
func NewJobs(opts ...Option) *Jobs {
	return &Jobs{
		clock: configure(opts).clock, byID: make(map[jobstore.JobID]*job),
		due: make(map[jobstore.Needs]*timeHeap[*job]), waiting: make(map[chan struct{}]bool),
	}
}

// Put implements jobstore.Store.
func (s *Jobs) Put(_ context.Context, e *jobstore.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(e)
}

// Settle implements jobstore.Store.
func (s *Jobs) Settle(_ context.Context, es []*jobstore.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed driver.BatchError
	for i, e := range es {
		failed.Add(i, string(e.ID), s.put(e))
	}
	return failed.OrNil()
}

func (s *Jobs) put(e *jobstore.Entry) error {
	j := s.byID[e.ID]
	switch {
	case j == nil && e.Version != 0:
		return fmt.Errorf("%w: %s", jobstore.ErrJobNotFound, e.ID)
	case j == nil:
		j = &job{index: absent}
		s.byID[e.ID] = j
	case e.Version == 0:
		return fmt.Errorf("%w: %s", jobstore.ErrJobExists, e.ID)
	case j.entry.Version != e.Version:
		return fmt.Errorf("%w: %s", jobstore.ErrConflict, e.ID)
	}
	e.Version++
	noted := e.Noted
	if j.entry != nil {
		noted = j.entry.Noted
	}
	j.entry = e.Clone()
	j.entry.Noted = noted
	if e.Unreadable != nil {
		j.entry.SetBody(e.Unreadable)
	}
	s.alarm(j, first(last(e.Wake, e.Leased), e.Forget))
	if !e.Wake.IsZero() {
		for news := range s.waiting {
			waiters.Tell(news)
		}
	}
	return nil
}

// first is the earlier of two times; zero means none.
func first(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// last is the later of two times.
func last(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// alarm sets when a job is next handled.
func (s *Jobs) alarm(j *job, at time.Time) {
	if j.index != absent {
		due := s.due[j.needs]
		heap.Remove(due, j.index)
		if due.Len() == 0 {
			delete(s.due, j.needs)
		}
	}
	if j.at = at; at.IsZero() {
		return
	}
	j.needs = j.entry.Needs()
	if s.due[j.needs] == nil {
		s.due[j.needs] = new(timeHeap[*job])
	}
	heap.Push(s.due[j.needs], j)
}

// Get implements jobstore.Store.
func (s *Jobs) Get(_ context.Context, id jobstore.JobID) (*jobstore.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.byID[id]
	if j == nil {
		return nil, fmt.Errorf("%w: %s", jobstore.ErrJobNotFound, id)
	}
	return j.entry.Clone(), nil
}

// List implements jobstore.Store.
func (s *Jobs) List(_ context.Context, owner string, after jobstore.JobID, limit int) ([]*jobstore.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []jobstore.JobID
	for id, j := range s.byID {
		if id > after && (owner == "" || owner == j.entry.Owner) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	page := make([]*jobstore.Entry, min(limit, len(ids)))
	for i := range page {
		page[i] = s.byID[ids[i]].entry.Clone()
	}
	return page, nil
}

// Now implements jobstore.Store.
func (s *Jobs) Now(context.Context) (time.Time, error) { return s.clock.Now(), nil }

// Claim implements jobstore.Store.
func (s *Jobs) Claim(_ context.Context, can func(jobstore.Needs) bool, limit int, lease time.Duration) (due []*jobstore.Entry, now time.Time, wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = s.clock.Now()
	s.forget(now)
	for len(due) < limit {
		j := s.next(can)
		if j == nil || j.at.After(now) {
			break
		}
		if forgotten(j, now) {
			s.remove(j)
			continue
		}
		j.entry.Version++
		j.entry.Leased = now.Add(lease)
		due = append(due, j.entry.Clone())
		s.alarm(j, now.Add(lease))
	}
	wait = -1
	if j := s.next(can); j != nil {
		wait = max(j.at.Sub(now), 0)
	}
	return due, now, wait, nil
}

// next is the next job to handle among those whose needs can be met; nil: none.
func (s *Jobs) next(can func(jobstore.Needs) bool) (next *job) {
	for needs, due := range s.due {
		if j := (*due)[0]; (next == nil || j.before(next)) && can(needs) {
			next = j
		}
	}
	return next
}

// forget removes the jobs whose time has come, whatever they need.
func (s *Jobs) forget(now time.Time) {
	for _, due := range s.due {
		for due.Len() > 0 && forgotten((*due)[0], now) {
			s.remove((*due)[0])
		}
	}
}

func forgotten(j *job, now time.Time) bool {
	forget := j.entry.Forget
	return !forget.IsZero() && !forget.After(now)
}

func (s *Jobs) remove(j *job) {
	s.alarm(j, time.Time{})
	delete(s.byID, j.entry.ID)
}

// Note implements jobstore.Store.
func (s *Jobs) Note(_ context.Context, id jobstore.JobID, run jobstore.Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.byID[id]; j != nil && !run.Due.Before(j.entry.Noted.Due) {
		j.entry.Noted = run
	}
	return nil
}

// Wait implements jobstore.Store. Every Put wakes all waiters.
func (s *Jobs) Wait(ctx context.Context, can func(jobstore.Needs) bool, d time.Duration) {
	news := make(chan struct{}, 1)
	s.mu.Lock()
	if j := s.next(can); j != nil {
		d = min(d, j.at.Sub(s.clock.Now()))
	}
	s.waiting[news] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting, news)
	}()
	if d <= 0 {
		return
	}
	timer := s.clock.AfterFunc(d, func() { waiters.Tell(news) })
	defer timer.Stop()
	select {
	case <-news:
	case <-ctx.Done():
	}
}
