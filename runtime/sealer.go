package runtime

import (
	"slices"

	"github.com/taskgen/taskgen/runtime/driver"
)

var _ driver.Sealer = (*Manager)(nil)

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
