package schedule

import (
	"context"

	"github.com/taskgen/taskgen/runtime"
)

// A sealedStore seals tasks that were stored in clear, before there was anything to
// seal them with, when their jobs are written again. Those of new jobs are sealed
// before they come here; see Service.Schedule and Service.Modify.
type sealedStore struct {
	Store
	m *runtime.Manager
}

func (s *sealedStore) Put(ctx context.Context, e *Entry) error {
	s.seal(e)
	return s.Store.Put(ctx, e)
}

func (s *sealedStore) Settle(ctx context.Context, es []*Entry) error {
	for _, e := range es {
		s.seal(e)
	}
	return s.Store.Settle(ctx, es)
}

// seal leaves a task as it is that cannot be sealed, or must not lie in clear: a job
// that somebody else wrote into the store would pass for one of ours.
func (s *sealedStore) seal(e *Entry) {
	sealed, err := s.m.Seal(e.Task)
	if err != nil || sealed == e.Task {
		return
	}
	if _, err := s.m.Unseal(e.Task); err == nil {
		e.Task = sealed
	}
}

// status is the job as a user sees it, with its payload readable. One that cannot be
// unsealed stays sealed, and Status.Error says why.
func (s *Service) status(e *Entry) Status {
	st := e.status()
	plain, err := s.m.Unseal(e.Task)
	switch {
	case err == nil:
		st.Task = plain
	case st.Error == "":
		st.Error = err.Error()
	}
	return st
}
