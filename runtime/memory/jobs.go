package memory

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// Jobs keeps a scheduler's jobs, in memory. It is a [schedule.Store], and safe for
// use by many goroutines. The jobs end with the process.
type Jobs struct {
	clock runtime.Clock
	news  chan struct{} // holds one when something may have become due earlier

	mu   sync.Mutex
	byID map[schedule.JobID]*job
	due  clockwise[*job]
}

var _ schedule.Store = (*Jobs)(nil)

// A job is an entry, and when it is looked at next.
type job struct {
	entry *schedule.Entry
	at    time.Time // when it is looked at next: its Wake, the end of a lease, or its Forget
	index int       // in Jobs.due; absent when at is zero
}

func (j *job) before(k *job) bool { return j.at.Before(k.at) }
func (j *job) place() *int        { return &j.index }

// NewJobs returns an empty store.
func NewJobs(opts ...Option) *Jobs {
	return &Jobs{clock: configure(opts).clock, news: make(chan struct{}, 1), byID: make(map[schedule.JobID]*job)}
}

// Put implements schedule.Store.
func (s *Jobs) Put(_ context.Context, e *schedule.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(e)
}

// Settle implements schedule.Store.
func (s *Jobs) Settle(_ context.Context, es []*schedule.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed runtime.BatchError
	for i, e := range es {
		failed.Add(i, string(e.ID), s.put(e))
	}
	return failed.OrNil()
}

func (s *Jobs) put(e *schedule.Entry) error {
	j := s.byID[e.ID]
	switch {
	case j == nil && e.Version != 0:
		return fmt.Errorf("%w: %s", schedule.ErrJobNotFound, e.ID)
	case j == nil:
		j = &job{index: absent}
		s.byID[e.ID] = j
	case e.Version == 0:
		return fmt.Errorf("%w: %s", schedule.ErrJobExists, e.ID)
	case j.entry.Version != e.Version:
		return fmt.Errorf("%w: %s", schedule.ErrConflict, e.ID)
	}
	e.Version++
	noted := e.Noted
	if j.entry != nil {
		noted = j.entry.Noted
	}
	j.entry = e.Clone()
	j.entry.Noted = noted
	s.alarm(j, first(e.Wake, e.Forget))
	if !e.Wake.IsZero() {
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
	return nil
}

// first is the earlier of two times; zero is none.
func first(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// alarm sets when a job is looked at next.
func (s *Jobs) alarm(j *job, at time.Time) {
	if j.index != absent {
		heap.Remove(&s.due, j.index)
	}
	if j.at = at; !at.IsZero() {
		heap.Push(&s.due, j)
	}
}

// Get implements schedule.Store.
func (s *Jobs) Get(_ context.Context, id schedule.JobID) (*schedule.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.byID[id]
	if j == nil {
		return nil, fmt.Errorf("%w: %s", schedule.ErrJobNotFound, id)
	}
	return j.entry.Clone(), nil
}

// List implements schedule.Store.
func (s *Jobs) List(_ context.Context, owner string, after schedule.JobID, limit int) ([]*schedule.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []schedule.JobID
	for id, j := range s.byID {
		if id > after && (owner == "" || owner == j.entry.Owner) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	page := make([]*schedule.Entry, min(limit, len(ids)))
	for i := range page {
		page[i] = s.byID[ids[i]].entry.Clone()
	}
	return page, nil
}

// Claim implements schedule.Store.
func (s *Jobs) Claim(_ context.Context, limit int, lease time.Duration) (due []*schedule.Entry, now time.Time, wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = s.clock.Now()
	for len(due) < limit && len(s.due) > 0 && !s.due[0].at.After(now) {
		j := s.due[0]
		if forget := j.entry.Forget; !forget.IsZero() && !forget.After(now) {
			s.alarm(j, time.Time{})
			delete(s.byID, j.entry.ID)
			continue
		}
		j.entry.Version++
		due = append(due, j.entry.Clone())
		s.alarm(j, now.Add(lease))
	}
	wait = -1
	if len(s.due) > 0 {
		wait = max(s.due[0].at.Sub(now), 0)
	}
	return due, now, wait, nil
}

// Note implements schedule.Store.
func (s *Jobs) Note(_ context.Context, id schedule.JobID, run schedule.Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.byID[id]; j != nil && !run.Due.Before(j.entry.Noted.Due) {
		j.entry.Noted = run
	}
	return nil
}

// Wait implements schedule.Store.
func (s *Jobs) Wait(ctx context.Context, d time.Duration) {
	over := make(chan struct{})
	timer := s.clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-s.news:
	case <-over:
	case <-ctx.Done():
	}
}
