package schedule

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
)

// A sealedStore seals tasks that were stored in clear, before there was a sealer, when
// their jobs are written again. Tasks of new jobs are sealed before they come here; see
// Service.Schedule and Service.Modify.
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

// seal leaves a task unchanged that cannot be sealed or must not be in clear: otherwise a
// job that another program wrote into the store would be taken for one of ours.
func (s *sealedStore) seal(e *Entry) {
	if e.Sealed || e.Unreadable != nil {
		return
	}
	if _, err := s.m.Unseal(e.Task); err == nil {
		_ = sealEntry(e, s.m)
	}
}

// sealEntry seals the task of an entry if it is in clear.
func sealEntry(e *Entry, m *runtime.Manager) error {
	sealed, err := m.Seal(e.Task)
	if err != nil {
		return err
	}
	e.Task, e.Sealed = sealed, sealed != e.Task
	return nil
}

// unsealed returns the task of an entry in clear.
func (s *Service) unsealed(e *Entry) (*runtime.Task, error) {
	plain, err := s.m.Unseal(e.Task)
	if err == nil && e.Sealed && plain == e.Task {
		err = fmt.Errorf("the payload of job %s (%s) is sealed (%s), and the manager has nothing to unseal it with: give it the key ring, as middleware or in ManagerConfig.Sealers", e.ID, e.Task.Type, e.Task.Encoding)
	}
	return plain, err
}

// status returns the Status of a job with its payload unsealed. A payload that cannot be
// unsealed stays sealed. Status.Error says why, or what else this scheduler lacks.
func (s *Service) status(e *Entry) Status {
	st := statusOf(e)
	if e.Unreadable != nil {
		return st
	}
	plain, err := s.unsealed(e)
	if err == nil {
		st.Task = plain
		err = s.missingNeeds(e)
	}
	if err != nil && st.Error == "" {
		st.Error = err.Error()
	}
	return st
}
