package nats

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/drivertest/fleetstoretest"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

func TestFleetKeepsWhatAStoreOfWorkersPromises(t *testing.T) {
	fleetstoretest.Run(t, func(tb testing.TB) fleetstoretest.Place {
		first := openShared(tb)
		url := first.js.Conn().ConnectedUrl()
		return fleetstoretest.Place{
			Open: func() fleetstore.Store { return open(tb, url, WithPrefix(first.prefix)).Fleet() },
			Pass: func(d time.Duration) { <-time.After(d) },
			Late: 2 * time.Second,
		}
	})
}

func TestAFleetWhoseStreamIsDeletedIsThereAgain(t *testing.T) {
	p := openShared(t)
	beat := func() error {
		_, err := p.Fleet().Heartbeat(within(t), &fleetstore.Worker{ID: "w"}, 0, time.Minute)
		return err
	}
	require.NoError(t, beat())
	require.NoError(t, p.js.DeleteStream(within(t), p.fleet.stream))
	require.Error(t, beat(), "a worker that is told so tries again")
	require.NoError(t, beat())
	all, err := p.Fleet().List(within(t))
	require.NoError(t, err)
	require.Len(t, all, 1)
}
