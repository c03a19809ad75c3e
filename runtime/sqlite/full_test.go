package sqlite

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// TestAFullFileIsWorkedOff takes tasks in until there is no room for any, however
// small, and works them off.
func TestAFullFileIsWorkedOff(t *testing.T) {
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
		t.Run(string(kind), func(t *testing.T) {
			path := newFile(t)
			p := openFile(t, path)
			q := openQueue(t, p, driver.QueueConfig{Type: kind})
			n := 0
			next := func(size int) *driver.Task {
				n++
				next := task(fmt.Sprintf("t%06d", n))
				next.Payload = fmt.Appendf(nil, `"%0*d"`, size, n)
				if kind == driver.FIFO {
					next.GroupKey = next.ID
				}
				return next
			}
			var first []*driver.Task
			for range 500 {
				first = append(first, next(100))
			}
			enqueue(t, q, first...)
			require.NoError(t, limitPages(p, 1))
			in := n
			for _, size := range []int{64 << 10, 1000, 10} {
				for {
					_, err := q.Enqueue(within(t), []*driver.Task{next(size)})
					if err != nil {
						require.ErrorIs(t, driver.ErrorAt(err, 0), driver.ErrQueueFull)
						require.ErrorContains(t, err, "full")
						break
					}
					in++
				}
			}
			_, err := p.Open(within(t), driver.QueueConfig{Name: "q", Type: kind})
			require.NoError(t, err)
			_, err = p.Open(within(t), driver.QueueConfig{Name: "new"})
			require.NoError(t, err)
			held, err := q.Dequeue(within(t), 300, time.Minute) // a poll alone would give up after a second
			require.NoError(t, err)
			require.Len(t, held, 300)
			require.NoError(t, q.Extend(within(t), held, time.Hour))
			for _, d := range held[:20] {
				driver.RecordDeath(d.Task, "q", time.Now(), errors.New("it failed"))
			}
			require.NoError(t, q.DeadLetter(within(t), held[:20]))
			require.NoError(t, q.Release(within(t), held[20:40]))
			require.NoError(t, p.Results().PutResult(within(t), "a", []byte("1"), "", time.Minute))
			require.NoError(t, q.Complete(within(t), held[40:]))
			done := 260
			for done < in-20 {
				ds := take(t, q, 50)
				require.NoError(t, q.Complete(within(t), ds))
				done += len(ds)
			}
			require.Equal(t, driver.Stats{Dead: 20}, stats(t, q))
			requireConsistent(t, p)
			// There is room for a few once it is worked off, in the file as it is.
			enqueue(t, q, next(10))
			require.NoError(t, limitPages(p, 1<<30))
			enqueue(t, q, next(1_000_000))
		})
	}
}

func TestAWorkerOfDeadLettersMayBeThereBeforeTheQueuesWhoseDeadItGets(t *testing.T) {
	p := openFile(t, newFile(t))
	late := openQueue(t, p, driver.QueueConfig{Name: "late"})
	require.False(t, late.isDLQ)
	openQueue(t, p, driver.QueueConfig{Name: "early", DLQ: "late"})
}

func TestATransactionHoldsNoMoreThanItsBytes(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes hundreds of megabytes")
	}
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO} {
		t.Run(string(kind), func(t *testing.T) {
			p := openFile(t, newFile(t))
			q := openQueue(t, p, driver.QueueConfig{Type: kind})
			const n = 40
			all := tasks(n)
			var want []string
			for i, large := range all {
				if i > 5 {
					large.Payload = fmt.Appendf(nil, `"%0*d"`, 1_000_000, i)
				}
				if kind == driver.FIFO {
					large.GroupKey = large.ID
				}
				want = append(want, large.ID)
			}
			transactions := func(f func()) int64 {
				before := p.writer.c.commits.Load()
				f()
				return p.writer.c.commits.Load() - before
			}
			require.GreaterOrEqual(t, transactions(func() { enqueue(t, q, all...) }), int64(6))
			var held []*driver.Delivery
			for len(held) < n {
				ds := take(t, q, n)
				bytes := 0
				for _, d := range ds {
					bytes += len(d.Task.Payload)
				}
				require.LessOrEqual(t, bytes, maxClaimBytes)
				require.NotZero(t, bytes)
				held = append(held, ds...)
			}
			require.Equal(t, want, idsOf(held), "in the order they came")
			for _, d := range held {
				driver.RecordDeath(d.Task, "q", time.Now(), errors.New("it failed"))
			}
			require.GreaterOrEqual(t, transactions(func() { require.NoError(t, q.DeadLetter(within(t), held)) }), int64(6))
			page, next, err := q.Browse(within(t), driver.Dead, "", n)
			require.NoError(t, err)
			require.Less(t, len(page), n)
			for next != "" {
				var rest []*driver.Task
				rest, next, err = q.Browse(within(t), driver.Dead, next, n)
				require.NoError(t, err)
				page = append(page, rest...)
			}
			require.Len(t, page, n)
			var back []string
			require.GreaterOrEqual(t, transactions(func() { back, err = q.Redrive(within(t), want[:20]) }), int64(3))
			require.NoError(t, err)
			require.Equal(t, want[:20], back)
			back, err = q.Redrive(within(t), nil)
			require.NoError(t, err)
			require.Equal(t, want[20:], back)
			require.Equal(t, driver.Stats{Ready: n}, func() driver.Stats { s := stats(t, q); s.OldestAge = 0; return s }())
			requireConsistent(t, p)
		})
	}
}
