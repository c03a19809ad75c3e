package memory

// clockwise is a heap (see container/heap) of elements by their time, the earliest first.
// Each stores its position, so that it can be moved and removed.
type clockwise[T timed[T]] []T

// A timed element has a time, and a position in a heap.
type timed[T any] interface {
	comparable
	before(other T) bool
	place() *int // absent while it is in no heap
}

// absent is the position of an element in no heap.
const absent = -1

func (c clockwise[T]) Len() int           { return len(c) }
func (c clockwise[T]) Less(i, j int) bool { return c[i].before(c[j]) }

func (c clockwise[T]) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	*c[i].place(), *c[j].place() = i, j
}

// Push implements heap.Interface: see heap.Push.
func (c *clockwise[T]) Push(x any) {
	t := x.(T)
	*t.place() = len(*c)
	*c = append(*c, t)
}

// Pop implements heap.Interface: see heap.Pop.
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
