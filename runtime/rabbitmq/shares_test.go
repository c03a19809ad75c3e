package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A crew is the processes of a test that work on one fifo queue, and what they did.
type crew struct {
	t    *testing.T
	addr string

	mu   sync.Mutex
	ran  map[string][]string // by group: IDs as they were completed
	done map[*queue]int
}

func newCrew(t *testing.T) *crew {
	return &crew{t: t, addr: data(t), ran: make(map[string][]string), done: make(map[*queue]int)}
}

// join has a process more work, one task at a time, until it is told to stop.
func (c *crew) join() (q *queue, stop func()) {
	q = open(c.t, c.addr, fifo)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			ds, err := q.Dequeue(ctx, 1, time.Minute)
			if err != nil {
				return
			}
			if q.Complete(context.Background(), ds) != nil {
				continue // it comes again
			}
			c.mu.Lock()
			c.done[q]++
			g := ds[0].Task.GroupKey
			c.ran[g] = append(c.ran[g], ds[0].Task.ID)
			c.mu.Unlock()
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-ended }) }
	c.t.Cleanup(stop)
	return q, stop
}

func (c *crew) of(q *queue) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done[q]
}

// fill enqueues tasks of many groups, and returns the order of each.
func fillGroups(t testing.TB, q *queue, groups, each int, name string) map[string][]string {
	want := make(map[string][]string)
	for i := range each {
		for g := range groups {
			one := task(fmt.Sprintf("%s-%d-%03d", name, g, i))
			key := fmt.Sprint("g", g)
			want[key] = append(want[key], one.ID)
			one.Queue, one.GroupKey = fifo.Name, key
			put(t, q, one)
		}
	}
	return want
}

func heldBy(q *queue) int {
	q.st.mu.Lock()
	defer q.st.mu.Unlock()
	return q.st.held()
}

func TestPartitionsAreSharedAmongProcessesThatComeAndGo(t *testing.T) {
	c := newCrew(t)
	a, _ := c.join()
	want := fillGroups(t, a, 40, 3, "a")
	b, stopB := c.join()
	d, _ := c.join()
	most := func(n int) func() bool {
		return func() bool { return heldBy(a) <= n && heldBy(b) <= n && heldBy(d) <= n }
	}
	all := func() bool { return heldBy(a)+heldBy(b)+heldBy(d) >= partitions }
	require.Eventually(t, func() bool { return most(6)() && all() }, soon, 20*time.Millisecond, "three processes have a third each")
	for k, ids := range fillGroups(t, a, 40, 3, "b") {
		want[k] = append(want[k], ids...)
	}
	require.Eventually(t, func() bool { return c.of(b) > 0 && c.of(d) > 0 }, soon, 20*time.Millisecond)

	stopB() // its pool has ended, and its provider is there
	require.Eventually(t, func() bool { return heldBy(b) == 0 && most(8)() && all() }, soon, 20*time.Millisecond, "one that asks for nothing has nothing")

	require.NoError(t, d.p.Close())
	require.Eventually(t, func() bool { return heldBy(a) == partitions }, soon, 20*time.Millisecond, "what one leaves behind the others take")
	for k, ids := range fillGroups(t, a, 40, 2, "c") {
		want[k] = append(want[k], ids...)
	}
	require.Eventually(t, func() bool { return left(t, a) == 0 }, soon, 100*time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	for g, ids := range want {
		assert.Equal(t, ids, firsts(c.ran[g]), "the order of group %s", g)
	}
}

// left counts what is not done.
func left(t testing.TB, q *queue) int64 {
	s, err := q.Stats(within(t))
	assert.NoError(t, err)
	return s.Ready + s.Leased + s.Scheduled
}

// firsts leaves out what came once more.
func firsts(ids []string) (out []string) {
	seen := make(map[string]bool)
	for _, id := range ids {
		if !seen[id] {
			out = append(out, id)
		}
		seen[id] = true
	}
	return out
}

// A process with one slot that is busy for long keeps the partition of its task, and
// no other.
func TestABusyProcessLeavesTheOtherPartitions(t *testing.T) {
	addr := data(t)
	busy := open(t, addr, fifo)
	fillGroups(t, busy, 40, 2, "a")
	d := takeN(t, busy, 1)[0]
	other := open(t, addr, fifo)
	seen := 0
	blocked := busy.st.lineOf(d.Task)
	mine := 0
	for g := range 40 {
		if busy.st.lineOf(&driver.Task{GroupKey: fmt.Sprint("g", g)}) == blocked {
			mine++
		}
	}
	for seen < 2*(40-mine) {
		ds := takeN(t, other, 1)
		assert.NotEqual(t, blocked, other.st.lineOf(ds[0].Task))
		require.NoError(t, other.Complete(within(t), ds))
		seen++
	}
	assert.Equal(t, 1, heldBy(busy))
	require.NoError(t, busy.Complete(within(t), []*driver.Delivery{d}))
	for range 2*mine - 1 {
		require.NoError(t, other.Complete(within(t), takeN(t, other, 1)))
	}
}

// Tasks of a group that lie drawn or wait for a retry for longer than the broker lets
// them be with one process.
func TestWhatWaitsLongerThanALeaseIsDrawnAgain(t *testing.T) {
	addr := data(t)
	p, err := openWith(addr, WithConsumerTimeout(4*time.Second)) // leases of 2 s
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	opened, err := p.Open(within(t), driver.QueueConfig{Name: fifo.Name, Type: driver.FIFO, Visibility: time.Second})
	require.NoError(t, err)
	q := opened.(*queue)
	putInGroup(t, q, "g", tasks(8)...)
	one := task("alone")
	putInGroup(t, q, "h", one)
	var order []string
	var due time.Time // of the retry
	alone := false
	for len(order) < 8 || !alone {
		ds, err := q.Dequeue(within(t), 1, time.Second)
		require.NoError(t, err)
		d := ds[0]
		assert.Zero(t, d.Crashes, d.Task.ID)
		switch {
		case d.Task.ID != "alone":
			<-time.After(800 * time.Millisecond) // the handler's: all of them take longer than three leases
			order = append(order, d.Task.ID)
		case due.IsZero():
			d.Task.RetryCount++
			d.Delay = 5 * time.Second
			due = time.Now().Add(d.Delay)
			require.NoError(t, q.Release(within(t), ds))
			continue
		default:
			assert.False(t, time.Now().Before(due), "early")
			assert.Equal(t, 1, d.Task.RetryCount)
			alone = true
		}
		require.NoError(t, q.Complete(within(t), ds))
	}
	for i, id := range order {
		assert.Equal(t, fmt.Sprintf("t%05d", i), id)
	}
}

// A process with many slots runs something of every partition, always.
func TestAProcessThatRunsSomethingOfEachPartitionGivesSomeUp(t *testing.T) {
	addr := data(t)
	a := open(t, addr, fifo)
	fillGroups(t, a, 64, 3, "a")
	held := takeN(t, a, 64) // the first of each group
	require.Equal(t, partitions, heldBy(a))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() { // it wants more
		defer close(ended)
		for ctx.Err() == nil {
			if ds, err := a.Dequeue(ctx, 1, time.Minute); err == nil {
				assert.NoError(t, a.Complete(context.Background(), ds))
			}
		}
	}()
	b := open(t, addr, fifo)
	got := make(chan []*driver.Delivery, 1)
	go func() {
		ds, err := b.Dequeue(within(t), 1, time.Minute)
		assert.NoError(t, err)
		got <- ds
	}()
	require.Eventually(t, func() bool {
		a.st.mu.Lock()
		defer a.st.mu.Unlock()
		return len(a.st.leaving) == partitions/2
	}, soon, 10*time.Millisecond, "it hands out nothing more of half of them")
	require.NoError(t, a.Complete(within(t), held))
	for _, d := range <-got {
		assert.Zero(t, d.Task.RetryCount)
		require.NoError(t, b.Complete(within(t), []*driver.Delivery{d}))
	}
	require.Eventually(t, func() bool { return heldBy(a) <= partitions/2 }, soon, 10*time.Millisecond)
}
