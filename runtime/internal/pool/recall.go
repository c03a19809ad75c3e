package pool

// A recall is what a process remembers of so many keys at most: the oldest are
// forgotten first.
type recall[K comparable, V any] struct {
	most  int
	of    map[K]V
	order []K // as they came; some are forgotten already
}

func (r *recall[K, V]) put(k K, v V) {
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

// taskKey is a task of a pool.
type taskKey struct{ queue, id string }
