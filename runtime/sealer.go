package runtime

import "slices"

// A Sealer keeps payloads from anyone who can read the store of tasks that are not
// enqueued yet: a store of jobs. The Enqueuers of package encrypt's middleware are
// Sealers, and a Manager finds them. Many goroutines use a Sealer at once. Its errors
// name the task.
type Sealer interface {
	// Seal returns a copy of t with its payload sealed and bound to its ID, or t itself
	// if it is sealed already.
	Seal(t *Task) (*Task, error)
	// Unseal undoes Seal. It returns t itself if it is not sealed.
	Unseal(t *Task) (*Task, error)
}

var _ Sealer = (*Manager)(nil)

// Seal seals a task that is stored before it is enqueued, by all sealers of the
// manager; see ManagerConfig.Sealers. Without any it returns t. Package schedule calls
// it for the tasks of jobs.
func (m *Manager) Seal(t *Task) (*Task, error) {
	sealed := t
	for _, s := range m.sealers {
		var err error
		if sealed, err = s.Seal(sealed); err != nil {
			return nil, err
		}
	}
	return sealed, nil
}

// Unseal undoes Seal.
func (m *Manager) Unseal(t *Task) (*Task, error) {
	plain := t
	for _, s := range slices.Backward(m.sealers) {
		var err error
		if plain, err = s.Unseal(plain); err != nil {
			return nil, err
		}
	}
	return plain, nil
}
