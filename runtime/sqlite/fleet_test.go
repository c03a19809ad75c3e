package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/drivertest/fleetstoretest"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestFleetKeepsWhatAStoreOfWorkersPromises(t *testing.T) {
	fleetstoretest.Run(t, func(tb testing.TB) fleetstoretest.Place {
		path := tb.TempDir() + "/tasks.db"
		clock := tasktest.NewClock(time.Now())
		return fleetstoretest.Place{
			Open: func() fleetstore.Store {
				p, err := Open(context.Background(), path, WithClock(clock))
				require.NoError(tb, err)
				tb.Cleanup(func() { require.NoError(tb, p.Close()) })
				return p.Fleet()
			},
			Pass: clock.Advance,
		}
	})
}

func TestWorkersThatAreGoneLeaveNoRow(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	p := openFile(t, newFile(t), WithClock(clock))
	s := p.Fleet()
	_, err := s.Heartbeat(within(t), &fleetstore.Worker{ID: "a"}, 0, time.Second)
	require.NoError(t, err)
	require.NoError(t, s.Send(within(t), &fleetstore.Order{Worker: "a", Kind: fleetstore.OrderQuiet}, time.Minute))
	require.NoError(t, s.PutTypes(within(t), []fleetstore.Type{{Name: "t"}}, time.Minute))
	rows := func() (n int64) {
		require.NoError(t, p.reader.do(within(t), 0, func(t *tx) {
			for _, table := range []string{"worker", "order", "type"} {
				r := t.query("SELECT count(*) FROM taskgen_" + table)
				r.next()
				n += r.int(0)
				r.done()
			}
		}))
		return n
	}
	require.EqualValues(t, 3, rows())
	clock.Advance(time.Minute)
	require.NoError(t, s.Leave(within(t), "nobody")) // any work
	require.Eventually(t, func() bool { return rows() == 0 }, soon, time.Millisecond)
}
