package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime/driver"
)

func BenchmarkEnqueueDrain(b *testing.B) {
	p, err := Open(b.Context(), b.TempDir()+"/q.db")
	require.NoError(b, err)
	defer p.Close()
	q0, err := p.Open(context.Background(), driver.QueueConfig{Name: "q"})
	require.NoError(b, err)
	q := q0.(*queue)
	all := tasks(1000)
	payload := make([]byte, 300)
	for i := range payload {
		payload[i] = 'x'
	}
	payload[0], payload[299] = '"', '"'
	for _, t := range all {
		t.Payload = payload
	}
	b.ReportAllocs()
	var enq, deq, comp time.Duration
	for b.Loop() {
		s := time.Now()
		_, err := q.Enqueue(context.Background(), all)
		require.NoError(b, err)
		enq += time.Since(s)
		s = time.Now()
		ds, err := q.Dequeue(context.Background(), 1000, time.Minute)
		require.NoError(b, err)
		require.Len(b, ds, 1000)
		deq += time.Since(s)
		s = time.Now()
		require.NoError(b, q.Complete(context.Background(), ds))
		comp += time.Since(s)
	}
	n := float64(b.N)
	b.ReportMetric(float64(enq.Microseconds())/n/1000, "µs-enq/task")
	b.ReportMetric(float64(deq.Microseconds())/n/1000, "µs-deq/task")
	b.ReportMetric(float64(comp.Microseconds())/n/1000, "µs-comp/task")
}

// BenchmarkTransaction enqueues 100 tasks in a transaction of the caller, in one call
// and one by one.
func BenchmarkTransaction(b *testing.B) {
	for _, size := range []int{100, 1} {
		path := b.TempDir() + "/q.db"
		p, err := Open(b.Context(), path)
		require.NoError(b, err)
		defer p.Close()
		_, err = p.Open(context.Background(), driver.QueueConfig{Name: "q"})
		require.NoError(b, err)
		n := 0
		fill := func(e driver.Enqueuer) error {
			for range 100 / size {
				batch := make([]*driver.Task, size)
				for i := range batch {
					n++
					batch[i] = task(fmt.Sprint(n))
				}
				if _, err := e.Enqueue(context.Background(), batch); err != nil {
					return err
				}
			}
			return nil
		}
		b.Run(fmt.Sprintf("connection/%d a call", size), func(b *testing.B) {
			c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
			require.NoError(b, err)
			defer c.Close()
			for b.Loop() {
				end, err := sqlitex.ImmediateTransaction(c)
				require.NoError(b, err)
				err = fill(p.Tx(c))
				end(&err)
				require.NoError(b, err)
			}
		})
		b.Run(fmt.Sprintf("sql/%d a call", size), func(b *testing.B) {
			db, err := sql.Open("sqlite", "file:"+path+"?"+immediate)
			require.NoError(b, err)
			defer db.Close()
			for b.Loop() {
				tx, err := db.Begin()
				require.NoError(b, err)
				require.NoError(b, fill(p.SQLTx(tx)))
				require.NoError(b, tx.Commit())
			}
		})
	}
}

// BenchmarkPlaceCheck is what a transaction spends twice, and a read once, to notice that
// the file is gone.
func BenchmarkPlaceCheck(b *testing.B) {
	p, err := Open(b.Context(), b.TempDir()+"/q.db")
	require.NoError(b, err)
	defer p.Close()
	for b.Loop() {
		require.NoError(b, p.writer.identity.check())
	}
}
