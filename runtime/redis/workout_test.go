package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// kinds are queues of every type, as tests declare them.
var kinds = []driver.QueueConfig{
	{Name: "standard"},
	{Name: "fifo", Type: driver.FIFO},
	{Name: "priority", Type: driver.Priority, Levels: 3},
	{Name: "bounded", Capacity: 1000},
}

// fitting makes tasks that fit a queue: of several groups, of all levels.
func fitting(cfg driver.QueueConfig, name string, n int) []*driver.Task {
	all := make([]*driver.Task, n)
	for i := range all {
		all[i] = task(fmt.Sprintf("%s-%03d", name, i))
		all[i].Queue = cfg.Name
		switch cfg.Type {
		case driver.FIFO:
			all[i].GroupKey = fmt.Sprintf("group-%d", i%7)
		case driver.Priority:
			all[i].Priority = i % cfg.Levels
		}
	}
	return all
}

// workStores has a provider do all that its stores beside the results can.
func workStores(t *testing.T, p *Provider) {
	workJobs(t, p)
	workLetters(t, p)
	workFleet(t, p)
	workHistory(t, p)
}

// workout does everything with a queue that can be done, and leaves no task.
func workout(t *testing.T, p *Provider, cfg driver.QueueConfig) {
	q := openQueue(t, p, cfg)
	ctx := within(t)
	drain := func(q *queue) {
		for {
			s := stats(t, q)
			if s.Ready+s.Scheduled+s.Leased == 0 {
				return
			}
			ds, err := q.Dequeue(ctx, 100, time.Minute)
			require.NoError(t, err)
			require.NoError(t, q.Complete(ctx, ds))
		}
	}
	// There and away, with unique keys, and twice.
	plain, keyed := fitting(cfg, "plain", 20), fitting(cfg, "keyed", 20)
	for i, k := range keyed {
		k.UniqueKey = fmt.Sprintf("key-%d", i)
		if i%2 == 0 {
			k.UniqueFor = 300 * time.Millisecond
		}
	}
	enqueue(t, q, append(plain, keyed...)...)
	_, err := q.Enqueue(ctx, plain[:3])
	require.ErrorIs(t, err, driver.ErrDuplicate)
	for _, stranger := range fitting(cfg, "stranger", 4) {
		require.NoError(t, p.client.RPush(ctx, q.keyspace.key(keyInbox), driver.AppendEnvelope(nil, stranger)).Err())
	}
	drain(q)
	// Crashes, retries, and deaths of all of it; back again, and gone.
	enqueue(t, q, fitting(cfg, "unlucky", 14)...)
	for range 2 {
		ds, err := q.Dequeue(ctx, 3, 20*time.Millisecond)
		require.NoError(t, err)
		require.NotEmpty(t, ds)
	}
	ds, err := q.Dequeue(ctx, 3, time.Minute)
	require.NoError(t, err)
	require.NoError(t, q.Extend(ctx, ds, 2*time.Minute))
	for i, d := range ds {
		d.Delay = time.Duration(i) * 10 * time.Millisecond
	}
	require.NoError(t, q.Release(ctx, ds))
	bury := func(n int) {
		for range n {
			ds := take(t, q, 1)
			driver.RecordDeath(ds[0].Task, cfg.Name, time.Now(), errors.New("it failed"))
			require.NoError(t, q.DeadLetter(ctx, ds))
		}
	}
	bury(14)
	require.EqualValues(t, 14, stats(t, q).Dead)
	back, err := q.Redrive(ctx, []string{"unlucky-000", "unlucky-001"})
	require.NoError(t, err)
	require.Len(t, back, 2)
	// The same IDs die twice.
	bury(2)
	back, err = q.Redrive(ctx, nil)
	require.NoError(t, err)
	require.Len(t, back, 14)
	bury(14)
	_, err = q.Redrive(ctx, []string{"unlucky-002"})
	require.NoError(t, err)
	again := fitting(cfg, "unlucky", 4)[3:]
	enqueue(t, q, again...)
	bury(2)
	require.EqualValues(t, 15, stats(t, q).Dead)
	for _, state := range []driver.State{driver.Ready, driver.Scheduled, driver.Leased, driver.Dead} {
		_, _, err = q.Browse(ctx, state, "", 5)
		require.NoError(t, err)
		_, err = q.Find(ctx, "nobody")
		require.NoError(t, err)
	}
	gone, err := q.Discard(ctx, []string{"unlucky-003", "unlucky-004"})
	require.NoError(t, err)
	require.Len(t, gone, 2)
	require.EqualValues(t, 12, stats(t, q).Dead)
	page, _, err := q.Browse(ctx, driver.Dead, "", 2)
	require.NoError(t, err)
	read := []driver.Death{driver.DeathOf(page[0]), driver.DeathOf(page[1])}
	died, err := q.DiscardDeaths(ctx, read[:1])
	require.NoError(t, err)
	require.Equal(t, read[:1], died)
	died, err = q.RedriveDeaths(ctx, read, nil)
	require.NoError(t, err)
	require.Equal(t, read[1:], died)
	bury(1)
	require.EqualValues(t, 11, stats(t, q).Dead)
	deadKeyspaces := openQueue(t, p, driver.QueueConfig{Name: q.cfg.DLQ})
	dead := take(t, deadKeyspaces, 3)
	dead[0].Delay = 10 * time.Millisecond
	require.NoError(t, deadKeyspaces.Release(ctx, dead[:1]))
	require.NoError(t, deadKeyspaces.Reschedule(ctx, dead[0].Task.ID, time.Now().Add(time.Hour)))
	require.NoError(t, deadKeyspaces.Reschedule(ctx, dead[0].Task.ID, time.Now()))
	require.NoError(t, deadKeyspaces.Extend(ctx, dead[1:2], time.Minute))
	require.NoError(t, deadKeyspaces.Complete(ctx, dead[1:]))
	_, err = deadKeyspaces.Cancel(ctx, []string{"unlucky-005", "unlucky-006"})
	require.NoError(t, err)
	for _, state := range []driver.State{driver.Ready, driver.Scheduled, driver.Leased} {
		_, _, err = deadKeyspaces.Browse(ctx, state, "", 5)
		require.NoError(t, err)
	}
	// One cannot be decoded.
	short, err := deadKeyspaces.Dequeue(ctx, 1, 20*time.Millisecond)
	require.NoError(t, err)
	require.NoError(t, p.client.HSet(ctx, deadKeyspaces.deadKeyspaces[cfg.Name].key(keyBody), short[0].Task.ID, "{broken").Err())
	require.Eventually(t, func() bool { return stats(t, deadKeyspaces).Leased == 0 }, soon, time.Millisecond)
	drain(deadKeyspaces)
	require.Zero(t, stats(t, q).Dead)
	// Put off, called off, paused, purged.
	later := fitting(cfg, "later", 20)
	for _, task := range later[:10] {
		task.ScheduledFor = time.Now().Add(time.Hour)
	}
	enqueue(t, q, later...)
	_, err = q.Cancel(ctx, []string{"later-001", "later-011", "nobody"})
	require.NoError(t, err)
	require.NoError(t, q.Reschedule(ctx, "later-002", time.Now()))
	require.NoError(t, q.Reschedule(ctx, "later-012", time.Now().Add(time.Hour)))
	require.NoError(t, q.Reschedule(ctx, "later-013", time.Now().Add(-time.Hour)))
	require.NoError(t, q.Pause(ctx, time.Time{}))
	pause, err := q.Paused(ctx)
	require.NoError(t, err)
	require.Equal(t, driver.Pause{Paused: true}, pause)
	require.NoError(t, q.Resume(ctx))
	n, err := q.Purge(ctx)
	require.NoError(t, err)
	require.Equal(t, 18, n)
	// A worker that waits, and leaves while there is more to come.
	enqueue(t, q, fitting(cfg, "last", 1)...)
	bury(1)
	dead = take(t, deadKeyspaces, 1)
	dead[0].Delay = time.Hour
	require.NoError(t, deadKeyspaces.Release(ctx, dead))
	require.NoError(t, deadKeyspaces.Pause(ctx, time.Time{}))
	require.NoError(t, deadKeyspaces.Resume(ctx))
	brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = deadKeyspaces.Dequeue(brief, 1, time.Minute)
	require.ErrorIs(t, err, driver.ErrNoTasks)
	deadKeyspaces.deadKeyspaces[cfg.Name].signalOthers() // as it does, unless the machine is so busy that it never waits
	n, err = deadKeyspaces.Purge(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	far := fitting(cfg, "far", 1)
	far[0].ScheduledFor = time.Now().Add(time.Hour)
	enqueue(t, q, far...)
	brief, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = q.Dequeue(brief, 1, time.Minute)
	require.ErrorIs(t, err, driver.ErrNoTasks)
	q.keyspace.signalOthers()
	n, err = q.Purge(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	// Windows of unique keys are forgotten in passing, once they are over.
	require.Eventually(t, func() bool {
		ended, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err := q.Dequeue(ended, 1, time.Minute)
		require.ErrorIs(t, err, driver.ErrNoTasks)
		_, err = deadKeyspaces.Dequeue(ended, 1, time.Minute)
		require.ErrorIs(t, err, driver.ErrNoTasks)
		left, err := p.client.Exists(ctx, q.keyspace.key(keyUniq)).Result()
		require.NoError(t, err)
		return left == 0
	}, soon, 10*time.Millisecond)
}

func TestNothingIsLeftBehindOnceAllTasksAreGone(t *testing.T) {
	for _, cfg := range kinds {
		t.Run(cfg.Name, func(t *testing.T) {
			s := own(t)
			c := admin(t, s.URL)
			p := open(t, s.URL)
			openQueue(t, p, cfg)
			keys := func() []string {
				all, err := c.Keys(within(t), "*").Result()
				require.NoError(t, err)
				all = slices.DeleteFunc(all, func(key string) bool { // those that go by themselves
					left := c.PTTL(within(t), key).Val()
					return left > 0 && left <= time.Hour
				})
				slices.Sort(all)
				return all
			}
			declared := keys()
			require.Len(t, declared, 3, "a queue, its dead letter queue, and what this one is for")
			workout(t, p, cfg)
			require.NoError(t, p.Close())
			left := slices.DeleteFunc(keys(), func(key string) bool {
				ttl, err := c.TTL(within(t), key).Result()
				require.NoError(t, err)
				return ttl > 0 && strings.HasSuffix(key, ":ended") // for an hour
			})
			assert.Equal(t, declared, left)
		})
	}
}

// A monitor records what a server runs.
type monitor struct {
	conn net.Conn
	mu   sync.Mutex
	seen []string
	over chan struct{}
}

func watchServer(t *testing.T, addr string) *monitor {
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	_, err = io.WriteString(conn, "MONITOR\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	_, err = r.ReadString('\n')
	require.NoError(t, err)
	m := &monitor{conn: conn, over: make(chan struct{})}
	go func() {
		defer close(m.over)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			m.mu.Lock()
			m.seen = append(m.seen, line)
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { m.stop() })
	return m
}

// stop ends the recording and returns it.
func (m *monitor) stop() []string {
	m.conn.Close()
	<-m.over
	return m.seen
}

// words are the quoted arguments of one line of MONITOR, and where they came
// from.
func words(t *testing.T, line string) (from string, args []string) {
	_, rest, ok := strings.Cut(line, "[")
	require.True(t, ok, line)
	from, rest, ok = strings.Cut(rest, "] ")
	require.True(t, ok, line)
	for rest = strings.TrimSpace(rest); rest != ""; {
		end := 1
		for rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		args = append(args, rest[1:end])
		rest = strings.TrimSpace(rest[end+1:])
	}
	return from, args
}

// TestEveryKeyThatAScriptTouchesIsNamedInItsCall has the server tell what each
// script does. That the keys of a call have one slot is proved by the suite's run
// on a cluster.
func TestEveryKeyThatAScriptTouchesIsNamedInItsCall(t *testing.T) {
	s := own(t)
	m := watchServer(t, strings.TrimPrefix(s.URL, "redis://"))
	p := open(t, s.URL)
	for _, cfg := range kinds {
		workout(t, p, cfg)
		require.NoError(t, openQueue(t, p, cfg).Delete(within(t)))
	}
	workStores(t, p)
	empty := fill(t, s.URL)
	require.NoError(t, p.Results().PutResult(within(t), "result", nil, "", time.Minute))
	rs, err := p.results.Peek(within(t), []string{"result"})
	require.NoError(t, err)
	require.NoError(t, p.results.Forget(within(t), rs))
	empty()
	p.watchers.shared[0].interruptBlock()
	require.NoError(t, p.Close())
	known := make(map[string]string)
	for name, s := range every() {
		known[s.sha] = name
	}
	var (
		named  []string
		script string
		looked int
		ran    = make(map[string]bool)
	)
	for _, line := range m.stop() {
		from, args := words(t, line)
		if !strings.HasSuffix(from, " lua") {
			named, script = nil, ""
			switch strings.ToLower(args[0]) {
			case "evalsha":
				script = known[args[1]]
				require.NotEmpty(t, script, "a script that this package does not have: %s", line)
				ran[args[1]] = true
				fallthrough
			case "eval":
				n, err := strconv.Atoi(args[2])
				require.NoError(t, err)
				named = args[3 : 3+n]
			}
			continue
		}
		for _, arg := range args[1:] {
			if strings.HasPrefix(arg, "{taskgen") || strings.HasPrefix(arg, "taskgen:result:") {
				looked++
				assert.Contains(t, named, arg, "%s: %s", script, line)
			}
		}
	}
	assert.Greater(t, looked, 2000, "keys that were looked at")
	for name, s := range every() {
		assert.True(t, ran[s.sha], "the script %s was not run by this test", name)
	}
}
