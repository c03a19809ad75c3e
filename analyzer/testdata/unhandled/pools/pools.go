package pools // want package:"pool"

import "github.com/taskgen/taskgen/runtime"

// New makes the pool of programs.
func New(m *runtime.Manager, r *runtime.Router) (*runtime.Pool, error) {
	return runtime.NewPool(m, r, runtime.PoolConfig{})
}
