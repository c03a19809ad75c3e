package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// calls counts the commands that the server of a provider has run, those in
// scripts included.
func calls(t testing.TB, p *Provider) map[string]int {
	t.Helper()
	text, err := p.client.Info(within(t), "commandstats").Result()
	require.NoError(t, err)
	all := make(map[string]int)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"); ok {
			name, rest, _ := strings.Cut(rest, ":calls=")
			count, _, _ := strings.Cut(rest, ",")
			all[name], err = strconv.Atoi(count)
			require.NoError(t, err)
		}
	}
	return all
}

// A counter is a hook that counts a client's round trips.
type counter struct{ trips atomic.Int64 }

func (c *counter) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (c *counter) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		c.trips.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		c.trips.Add(1)
		return next(ctx, cmds)
	}
}

func TestATaskTakesAFractionOfARoundTripAndOfACommand(t *testing.T) {
	p := open(t, own(t).URL)
	var count counter
	p.client.AddHook(&count)
	q := openQueue(t, p, driver.QueueConfig{})
	// The server has the scripts, and the client connections of both its kinds.
	enqueue(t, q, fitting(q.cfg, "gone", 2*maxScriptTasks)...)
	_, err := q.Purge(within(t))
	require.NoError(t, err)
	enqueue(t, q, task("warm"))
	warm := take(t, q, 1)
	require.NoError(t, q.Extend(within(t), warm, time.Minute))
	require.NoError(t, q.Release(within(t), warm))
	require.NoError(t, q.Complete(within(t), take(t, q, 1)))
	const n = 256
	costs := func(what string, trips int64, commands int, f func()) {
		t.Helper()
		before, began := calls(t, p), count.trips.Load()
		f()
		took := count.trips.Load() - began
		after := calls(t, p)
		sum := 0
		for name, count := range after {
			if name != "info" {
				sum += count - before[name]
			}
		}
		assert.LessOrEqual(t, took, trips, "round trips to %s %d tasks", what, n)
		assert.LessOrEqual(t, sum, commands, "commands to %s %d tasks", what, n)
	}
	var ds []*driver.Delivery
	costs("enqueue", 1, 6, func() { enqueue(t, q, tasks(n)...) })
	costs("dequeue", 1, 14, func() { ds = take(t, q, n) })
	require.Len(t, ds, n)
	costs("extend", 1, 4, func() { require.NoError(t, q.Extend(within(t), ds, time.Hour)) })
	costs("complete", 1, 7, func() { require.NoError(t, q.Complete(within(t), ds)) })
	// Four scripts in one round trip.
	costs("enqueue four times", 1, 4*6, func() { enqueue(t, q, tasks(4*n)...) })
	costs("dequeue four times", 2, 4*14, func() { ds = take(t, q, 4*n) })
	require.Len(t, ds, 4*n)
	costs("release four times", 1, 4*(4+4*n), func() { require.NoError(t, q.Release(within(t), ds)) })
}

func TestStatsCostTheSameHoweverManyTasksThereAre(t *testing.T) {
	for _, cfg := range kinds {
		t.Run(cfg.Name, func(t *testing.T) {
			cfg.Capacity = 0
			p := open(t, own(t).URL)
			q := openQueue(t, p, cfg)
			cost := func() map[string]int {
				before := calls(t, p)
				stats(t, q)
				after := calls(t, p)
				for name := range after {
					after[name] -= before[name]
				}
				return after
			}
			enqueue(t, q, fitting(cfg, "few", 10)...)
			stats(t, q) // the server has the script
			few := cost()
			enqueue(t, q, fitting(cfg, "many", 5000)...)
			assert.Equal(t, few, cost())
			assert.Equal(t, 1, few["evalsha"])
		})
	}
}

// TestATaskTakesLittleMoreThanItsEnvelope bounds the memory of a waiting task. One of
// asynq with the payload takes 575 bytes.
func TestATaskTakesLittleMoreThanItsEnvelope(t *testing.T) {
	usual := memoryOfATask(t)
	assert.Less(t, usual, len(driver.AppendEnvelope(nil, withPayload(0)))+250)
	assert.Less(t, memoryOfATask(t, WithCompactTasks()), 575*6/10)
}

// withPayload is a task with 100 bytes of payload.
func withPayload(i int) *driver.Task {
	one := task(fmt.Sprintf("0190a5c5-7f4e-7abc-9def-%012d", i))
	one.Payload = []byte(`{"text":"` + strings.Repeat("x", 89) + `"}`)
	return one
}

// usedMemory is how many bytes the data of a server takes.
func usedMemory(t testing.TB, p *Provider) int {
	t.Helper()
	text, err := p.client.Info(within(t), "memory").Result()
	require.NoError(t, err)
	_, rest, _ := strings.Cut(text, "used_memory_dataset:")
	text, _, _ = strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// memoryOfATask is how many bytes a waiting task takes.
func memoryOfATask(t *testing.T, opts ...Option) int {
	t.Helper()
	p := open(t, own(t).URL, opts...)
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, task("warm"))
	before := usedMemory(t, p)
	const n = 10_000
	all := make([]*driver.Task, n)
	for i := range all {
		all[i] = withPayload(i)
	}
	enqueue(t, q, all...)
	each := (usedMemory(t, p) - before) / n
	t.Logf("%d bytes for each task", each)
	return each
}
