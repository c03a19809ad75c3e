package memory

// timeHeap is a heap (see container/heap) of elements by their time, the earliest first.
// Each stores its position, so that it can be moved and removed.
type timeHeap[T timed[T]] []T

// A timed element has a time, and a position in a heap.
type timed[T any] interface {
	comparable
	before(other T) bool
	heapIndex() *int // absent while it is in no heap
}

// absent is the position of an element in no heap.
const absent = -1

func (c timeHeap[T]) Len() int           { return len(c) }
func (c timeHeap[T]) Less(i, j int) bool { return c[i].before(c[j]) }

func (c timeHeap[T]) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	*c[i].heapIndex(), *c[j].heapIndex() = i, j
}

// Push implements heap.Interface: see heap.Push.
func (c *timeHeap[T]) Push(x any) {
	t := x.(T)
	*t.heapIndex() = len(*c)
	*c = append(*c, t)
}

// Pop implements heap.Interface: see heap.Pop.
func (c *timeHeap[T]) Pop() any {
	s := *c
	last := len(s) - 1
	t := s[last]
	var none T
	s[last] = none
	*t.heapIndex() = absent
	*c = s[:last]
	return t
}
