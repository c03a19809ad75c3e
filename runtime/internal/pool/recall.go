package pool

// A recall remembers values of a bounded number of keys: it forgets the oldest first. What
// has it has a lock for it.
type recall[K comparable, V any] struct {
	most  int
	of    map[K]V
	order []K // in order of arrival; some are forgotten already
}

func (r *recall[K, V]) getLocked(k K) (v V, ok bool) {
	v, ok = r.of[k]
	return v, ok
}

func (r *recall[K, V]) putLocked(k K, v V) {
	if r.of == nil {
		r.of = make(map[K]V)
	}
	if _, again := r.of[k]; !again {
		if len(r.order) >= r.most {
			delete(r.of, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, k)
	}
	r.of[k] = v
}

func (r *recall[K, V]) forgetLocked(k K) { delete(r.of, k) }

// taskKey is a task of a pool.
type taskKey struct{ queue, id string }
