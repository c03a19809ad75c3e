package fleettest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/redis"
)

// TestAThousandWorkersCostRedisLittleMoreThanTheirPackets has a thousand workers, each with
// a connection of its own, send heartbeats as they do: one every Interval, spread evenly. The
// promise is that their commands take less than a hundredth of a core; the bound is generous,
// for a machine that runs other tests. To that comes what the server takes to receive and
// answer a packet, which depends on the machine: the test prints it beside what as many PINGs
// take on the same connections.
func TestAThousandWorkersCostRedisLittleMoreThanTheirPackets(t *testing.T) {
	const n = 1000
	s, err := testserver.Redis()
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Stop()) }()
	options, err := goredis.ParseURL(s.URL)
	require.NoError(t, err)
	options.PoolSize = 1
	clients, stores, workers := make([]*goredis.Client, n), make([]fleet.Store, n), make([]*fleet.Worker, n)
	for i := range n {
		clients[i] = goredis.NewClient(options)
		p, err := redis.New(clients[i])
		require.NoError(t, err)
		defer func() {
			assert.NoError(t, p.Close())
			assert.NoError(t, clients[i].Close())
		}()
		stores[i], workers[i] = p.Fleet(), typical(i)
	}
	beat := func(i int) {
		_, err := stores[i].Heartbeat(context.Background(), workers[i], 0, fleet.TTL)
		assert.NoError(t, err)
	}
	ping := func(i int) { assert.NoError(t, clients[i].Ping(context.Background()).Err()) }
	for i := range n { // connects
		beat(i)
	}
	admin := goredis.NewClient(options)
	defer admin.Close()
	// share is the part of a core that the server takes for one call of each worker.
	share := func(call func(i int)) float64 {
		before, began := processor(t, admin), time.Now()
		var all sync.WaitGroup
		tick := time.NewTicker(fleet.Interval / n)
		defer tick.Stop()
		for i := range n {
			<-tick.C
			if call != nil {
				all.Go(func() { call(i) })
			}
		}
		all.Wait()
		return (processor(t, admin) - before) / time.Since(began).Seconds()
	}
	share(ping) // the first calls cost the server more than any later ones
	rest := share(nil)
	pings := share(ping) - rest
	require.NoError(t, admin.ConfigResetStat(t.Context()).Err())
	beats := share(beat) - rest
	commands := inCommands(t, admin).Seconds() / fleet.Interval.Seconds()
	t.Logf("%d workers take %.2f %% of a core for heartbeats, %.2f %% of it in their commands, and would %.2f %% for PINGs; their connections alone take %.2f %%", n, 100*beats, 100*commands, 100*pings, 100*rest)
	// A hundredth on an idle machine. The server measures by the clock on the wall.
	assert.Less(t, commands, 0.05)
}

// typical is a worker of a usual size, about 1.5 KB.
func typical(i int) *fleet.Worker {
	now := time.Now().UTC()
	w := &fleet.Worker{
		ID: fmt.Sprintf("w%025d", i), Name: fmt.Sprintf("mailer-%d", i), Host: "mailer-6f7d8c9b5-x2x4z", PID: 1,
		Build:     fleet.Build{Path: "example.com/mailer", Version: "v1.2.3", Revision: strings.Repeat("a", 40), Go: "go1.26"},
		StartedAt: now, Slots: 10, Busy: 5,
	}
	for k := range 5 {
		w.Queues = append(w.Queues, fleet.Queue{Name: fmt.Sprintf("queue-%d", k), Provider: "redis"})
		w.Running = append(w.Running, fleet.Run{TaskID: fmt.Sprintf("01890a5d-ac96-774b-bcce-b302099a80%02d", k), Type: fmt.Sprintf("type-%d", k), Queue: "queue-1", Attempt: 1, Since: now})
	}
	for k := range 20 {
		w.Types = append(w.Types, fmt.Sprintf("type-%d", k))
	}
	return w
}

// processor is the time in seconds that the server has taken of the processor.
func processor(t *testing.T, c *goredis.Client) (sum float64) {
	t.Helper()
	text, err := c.Info(t.Context(), "cpu").Result()
	require.NoError(t, err)
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if field == "used_cpu_sys" || field == "used_cpu_user" {
			seconds, err := strconv.ParseFloat(value, 64)
			require.NoError(t, err)
			sum += seconds
		}
	}
	require.NotZero(t, sum)
	return sum
}

// inCommands is how long the server was busy with the commands of heartbeats.
func inCommands(t *testing.T, c *goredis.Client) (sum time.Duration) {
	t.Helper()
	text, err := c.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	found := 0
	for line := range strings.Lines(text) {
		name, fields, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		if !slices.Contains([]string{"set", "sadd", "pexpire", "exists"}, name) {
			continue
		}
		found++
		_, micros, _ := strings.Cut(fields, "usec=")
		micros, _, _ = strings.Cut(micros, ",")
		n, err := strconv.ParseInt(micros, 10, 64)
		require.NoError(t, err)
		sum += time.Duration(n) * time.Microsecond
	}
	require.Equal(t, 4, found, "the commands of a heartbeat")
	return sum
}
