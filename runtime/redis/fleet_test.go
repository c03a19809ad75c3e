package redis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/drivertest/fleetstoretest"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

func fleetPlace(open func() *Provider) fleetstoretest.Place {
	return fleetstoretest.Place{
		Open: func() fleetstore.Store { return open().Fleet() },
		Pass: func(d time.Duration) { <-time.After(d + 2*time.Millisecond) },
	}
}

func TestFleetKeepsWhatAStoreOfWorkersPromises(t *testing.T) {
	fleetstoretest.Run(t, func(tb testing.TB) fleetstoretest.Place {
		url := sharedURL(tb)
		return fleetPlace(func() *Provider { return open(tb, url) })
	})
}

func TestFleetKeepsWhatAStoreOfWorkersPromisesOnACluster(t *testing.T) {
	s, err := sharedCluster()
	require.NoError(t, err)
	fleetstoretest.Run(t, func(tb testing.TB) fleetstoretest.Place {
		url := withPrefix(s.URL, newPrefix())
		return fleetPlace(func() *Provider { return open(tb, url) })
	})
}

// workFleet does everything with workers that can be done, and leaves none.
func workFleet(t *testing.T, p *Provider) {
	s, ctx := p.Fleet(), within(t)
	w := &fleetstore.Worker{ID: "w"}
	_, err := s.Heartbeat(ctx, w, 0, time.Hour)
	require.NoError(t, err)
	o := &fleetstore.Order{Worker: "w", Kind: fleetstore.OrderQuiet}
	require.NoError(t, s.Send(ctx, o, time.Minute))
	orders, err := s.Heartbeat(ctx, w, 0, time.Hour)
	require.NoError(t, err)
	require.Len(t, orders, 1)
	_, err = s.Heartbeat(ctx, w, o.Seq, time.Hour)
	require.NoError(t, err)
	all, err := s.List(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.NoError(t, s.Leave(ctx, "w"))
	_, err = s.Heartbeat(ctx, w, 0, time.Millisecond)
	require.NoError(t, err)
	<-time.After(5 * time.Millisecond)
	all, err = s.List(ctx)
	require.NoError(t, err)
	require.Empty(t, all)
	require.NoError(t, s.PutTypes(ctx, []fleetstore.Type{{Name: "t"}}, time.Millisecond))
	<-time.After(5 * time.Millisecond)
	require.NoError(t, s.PutTypes(ctx, []fleetstore.Type{{Name: "u"}}, time.Millisecond))
	_, err = s.Types(ctx)
	require.NoError(t, err)
}

func TestWorkersThatAreGoneLeaveNoKey(t *testing.T) {
	url := sharedURL(t)
	p, c := open(t, url), admin(t, url)
	empty := func() {
		t.Helper()
		require.Eventually(t, func() bool {
			_, err := p.Fleet().List(within(t)) // which forgets them
			require.NoError(t, err)
			keys, err := c.Keys(within(t), "{"+p.prefix+"}:fleet:*").Result()
			require.NoError(t, err)
			return len(keys) == 0
		}, soon, time.Millisecond)
	}
	_, err := p.Fleet().Heartbeat(within(t), &fleetstore.Worker{ID: "killed"}, 0, 50*time.Millisecond)
	require.NoError(t, err)
	require.NoError(t, p.Fleet().Send(within(t), &fleetstore.Order{Worker: "killed", Kind: fleetstore.OrderQuiet}, 50*time.Millisecond))
	require.NoError(t, p.Fleet().PutTypes(within(t), []fleetstore.Type{{Name: "t"}}, 50*time.Millisecond))
	for _, key := range fleetKeys(p.prefix, "killed") {
		left, err := c.PTTL(within(t), key).Result()
		require.NoError(t, err)
		assert.NotEqual(t, time.Duration(-1), left, "%s goes by itself, or is gone", key)
	}
	empty()
	workFleet(t, p)
	empty()
}

// An operator who looks why a server is full sees its workers, and can quiet them.
func TestAFullServerKeepsWorkersAndTakesOrders(t *testing.T) {
	s := own(t)
	p := open(t, s.URL)
	ctx := within(t)
	defer fill(t, s.URL)()
	_, err := p.Fleet().Heartbeat(ctx, &fleetstore.Worker{ID: "w"}, 0, time.Minute)
	require.NoError(t, err)
	require.NoError(t, p.Fleet().Send(ctx, &fleetstore.Order{Worker: "w", Kind: fleetstore.OrderQuiet}, time.Minute))
	require.NoError(t, p.Fleet().PutTypes(ctx, []fleetstore.Type{{Name: "t"}}, time.Minute))
	orders, err := p.Fleet().Heartbeat(ctx, &fleetstore.Worker{ID: "w"}, 0, time.Minute)
	require.NoError(t, err)
	assert.Len(t, orders, 1)
	require.NoError(t, p.Fleet().Leave(ctx, "w"))
}

// A server that has the descriptions of types is sent their sums alone.
func TestTypesThatTheServerHasAreNotSentAgain(t *testing.T) {
	p := open(t, own(t).URL)
	schema := string(make([]byte, 10_000))
	types := []fleetstore.Type{{Name: "a", Schema: schema}, {Name: "b", Schema: schema}}
	require.NoError(t, p.Fleet().PutTypes(within(t), types, time.Hour))
	before := calls(t, p)
	require.NoError(t, p.Fleet().PutTypes(within(t), types, time.Hour))
	after := calls(t, p)
	assert.Equal(t, 0, after["hset"]-before["hset"])
	assert.Equal(t, 1, after["evalsha"]-before["evalsha"])
}
