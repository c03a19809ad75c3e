package nats

import (
	"os"
	"strings"
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

func TestAUserWithThePermissionsOfTheREADMEIsAWorkerOfAFleet(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, sentence, ok := strings.Cut(string(text), "docs/fleet.md) also publish to ")
	require.True(t, ok)
	sentence, _, _ = strings.Cut(sentence, "\n\n")
	var more strings.Builder
	for i, subject := range strings.Split(sentence, "`") {
		if i%2 == 1 {
			more.WriteString(`"` + subject + `", `)
		}
	}
	const first = `publish: [`
	users := strings.Replace(readmeUsers(t), first, first+more.String(), 1)
	p := open(t, as(own(t, "}\nauthorization {\n"+users).URL))
	s := p.Fleet()
	_, err = s.Heartbeat(within(t), &fleetstore.Worker{ID: "w"}, 0, time.Minute)
	require.NoError(t, err)
	o := &fleetstore.Order{Worker: "w", Kind: fleetstore.OrderQuiet}
	require.NoError(t, s.Send(within(t), o, time.Minute))
	_, err = s.Heartbeat(within(t), &fleetstore.Worker{ID: "w"}, o.Seq, time.Minute)
	require.NoError(t, err)
	require.NoError(t, s.PutTypes(within(t), []fleetstore.Type{{Name: "t"}}, time.Minute))
	_, err = s.Types(within(t))
	require.NoError(t, err)
	_, err = s.List(within(t))
	require.NoError(t, err)
	require.NoError(t, s.Leave(within(t), "w"))
	require.NoError(t, p.requester.nc.LastError(), "nothing was refused")
}
