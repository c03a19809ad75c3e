package memory

// clockwise is a heap (see container/heap) of things by their time, the earliest
// first. Each keeps its place, so that it can be moved and removed.
type clockwise[T timed[T]] []T

// A timed thing has a time, and a place in a heap.
type timed[T any] interface {
	comparable
	before(other T) bool
	place() *int // absent while it is in none
}

// absent is the place of what is in no heap.
const absent = -1

func (c clockwise[T]) Len() int           { return len(c) }
func (c clockwise[T]) Less(i, j int) bool { return c[i].before(c[j]) }

func (c clockwise[T]) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	*c[i].place(), *c[j].place() = i, j
}

// Push is heap.Interface's: see heap.Push.
func (c *clockwise[T]) Push(x any) {
	t := x.(T)
	*t.place() = len(*c)
	*c = append(*c, t)
}

// Pop is heap.Interface's: see heap.Pop.
func (c *clockwise[T]) Pop() any {
	s := *c
	last := len(s) - 1
	t := s[last]
	var none T
	s[last] = none
	*t.place() = absent
	*c = s[:last]
	return t
}
