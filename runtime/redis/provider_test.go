package redis

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestAServerThatMayDeleteTasksIsRefusedUnlessThatIsAccepted(t *testing.T) {
	s := own(t, "--maxmemory-policy", "allkeys-lru")
	_, err := Open(within(t), s.URL)
	require.ErrorContains(t, err, "maxmemory-policy is allkeys-lru")
	require.ErrorContains(t, err, "CONFIG SET maxmemory-policy noeviction")
	require.ErrorContains(t, err, "WithEviction()")

	client := goredis.NewClient(&goredis.Options{Addr: s.URL[len("redis://"):]})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	p, err := New(client)
	require.NoError(t, err, "New asks the server nothing")
	_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorContains(t, err, "allkeys-lru")
	require.NoError(t, client.ConfigSet(within(t), "maxmemory-policy", "noeviction").Err())
	_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.NoError(t, err, "once it is mended, it is used")
	require.NoError(t, p.Close())
	require.NoError(t, client.Ping(within(t)).Err(), "the client stays the program's")

	require.NoError(t, client.ConfigSet(within(t), "maxmemory-policy", "allkeys-lfu").Err())
	var log bytes.Buffer
	open(t, s.URL, WithEviction(), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	assert.Contains(t, log.String(), "allkeys-lfu")
}

// The volatile policies delete keys with a time to live: none but results have one.
func TestAServerThatMayDeleteResultsAloneIsUsedAndReported(t *testing.T) {
	s := own(t)
	for _, policy := range []string{"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"} {
		require.NoError(t, admin(t, s.URL).ConfigSet(within(t), "maxmemory-policy", policy).Err())
		var log bytes.Buffer
		open(t, s.URL, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		assert.Contains(t, log.String(), policy)
		assert.Contains(t, log.String(), "results")
	}
}

func TestAServerThatKeepsNothingOnDiskIsReported(t *testing.T) {
	var log bytes.Buffer
	logger := WithLogger(slog.New(slog.NewTextHandler(&log, nil)))
	s := own(t)
	open(t, s.URL, logger)
	assert.Empty(t, log.String())
	require.NoError(t, admin(t, s.URL).ConfigSet(within(t), "appendonly", "no").Err())
	open(t, s.URL, logger)
	assert.Contains(t, log.String(), "appendonly is off")
}

func TestAServerThatForbidsINFOIsUsedAndReported(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	require.NoError(t, c.Do(within(t), "ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", "-info").Err())
	var log bytes.Buffer
	p := open(t, "redis://worker:secret@"+s.URL[len("redis://"):], WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	assert.Contains(t, log.String(), "INFO is not permitted")
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, task("a"))
	take(t, q, 1)
}

// TestThePermissionsThatTheReadmeListsAreEnough holds the README to what a worker
// needs.
func TestThePermissionsThatTheReadmeListsAreEnough(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	args := []any{"ACL", "SETUSER", "worker", "on", ">secret", "resetkeys", "resetchannels", "-@all"}
	for _, rule := range permissions(t) {
		args = append(args, rule)
	}
	require.NoError(t, c.Do(within(t), args...).Err())
	p := open(t, "redis://worker:secret@"+s.URL[len("redis://"):])
	for _, cfg := range kinds {
		workout(t, p, cfg)
	}
	workStores(t, p)
	w := await(within(t), p.Results(), "a")
	require.NoError(t, p.Results().PutResult(within(t), "a", []byte(`1`), "", 0))
	require.NoError(t, (<-w).err)
	kept, err := p.results.Peek(within(t), []string{"a"})
	require.NoError(t, err)
	require.NoError(t, p.results.Forget(within(t), kept))
	refused, err := c.ACLLog(within(t), 1).Result()
	require.NoError(t, err)
	require.Empty(t, refused, "what a provider can do without is no error of it")
	require.Error(t, admin(t, "redis://worker:secret@"+s.URL[len("redis://"):]).Get(within(t), "another").Err())
}

// permissions are the rules of the README's user for a worker.
func permissions(t *testing.T) []string {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "ACL SETUSER worker on >secret ")
	require.True(t, found, "the README has the user of a worker")
	rules, _, _ := strings.Cut(rest, "```")
	return strings.Fields(strings.ReplaceAll(rules, "\\\n", " "))
}

func TestVersionsBeforeTheCommandsThatAreNeededAreRefused(t *testing.T) {
	p := &Provider{log: slog.New(slog.DiscardHandler)}
	for version, fit := range map[string]bool{"6.0.16": false, "5.0.14": false, "6.2.0": true, "6.2": true, "7.0.15": true, "8.0.6": true, "10.1.0": true, "unknown": true} {
		err := p.judgeInfo(context.Background(), map[string]string{"redis_version": version, "maxmemory_policy": "noeviction", "aof_enabled": "1"})
		if fit {
			assert.NoError(t, err, version)
		} else {
			assert.ErrorContains(t, err, "6.2 or later is needed", version)
		}
	}
}

func TestProviderWithoutALoggerSpeaksToTheDefaultOne(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	for name, p := range map[string]*Provider{"without": {}, "with nil": func() *Provider { p := new(Provider); WithLogger(nil)(p); return p }()} {
		var said strings.Builder
		slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil))) // after the provider was made
		require.NoError(t, p.judgeInfo(t.Context(), map[string]string{"redis_version": "7.0.15", "aof_enabled": "0"}))
		assert.Contains(t, said.String(), "appendonly is off", name)
	}
}

func TestURLsNameServersClustersAndSentinels(t *testing.T) {
	for url, want := range map[string]string{
		"redis://user:pass@localhost:6380/3?prefix=shop":                        "shop",
		"rediss://localhost:6379":                                               "",
		"redis+cluster://localhost:7000?addr=localhost:7001&prefix=p":           "p",
		"redis+sentinel://localhost:26379/0?master_name=m&addr=localhost:26380": "",
	} {
		c, prefix, err := dial(url)
		require.NoError(t, err, url)
		assert.Equal(t, want, prefix)
		switch c := c.(type) {
		case *goredis.ClusterClient:
			assert.Equal(t, []string{"localhost:7000", "localhost:7001"}, c.Options().Addrs)
		case *goredis.Client:
			assert.Contains(t, []string{"localhost:6380", "localhost:6379", "FailoverClient"}, c.Options().Addr)
		}
		require.NoError(t, c.Close())
	}
	for _, url := range []string{"", "http://localhost", "redis+other://localhost", "redis://localhost/x", "redis://user:pa ss%@host", "redis://localhost?no_such_option=1"} {
		_, err := Open(within(t), url)
		require.Error(t, err, url)
		assert.NotContains(t, err.Error(), "pa ss")
	}
}

func TestAClientOrPrefixThatCannotServeIsRefused(t *testing.T) {
	ring := goredis.NewRing(&goredis.RingOptions{Addrs: map[string]string{"a": "localhost:1"}})
	t.Cleanup(func() { require.NoError(t, ring.Close()) })
	_, err := New(ring)
	require.ErrorContains(t, err, "*redis.Ring")
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:1"})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	for _, prefix := range []string{"", "a{b}"} {
		_, err = New(client, WithPrefix(prefix))
		require.ErrorContains(t, err, "prefix")
	}
}

func TestQueuesWithOddNamesAndTasksWithOddKeysAreKeptApart(t *testing.T) {
	p := open(t, sharedURL(t))
	names := []string{"a", "{a}", "}", "{", "%7Ba%7D", "a:b", "имя", "a b"}
	for _, name := range names {
		q := openQueue(t, p, driver.QueueConfig{Name: name, Type: driver.FIFO})
		var batch []*driver.Task
		for i, group := range []string{"g", "g\x00", "g\x01", "g\x00\x01", "\x00g", "ключ", "g "} {
			for k := range 2 {
				id := []string{"", "a.b", "{x}", "1.2.3", "é", " ", "\x00"}[i] + string(rune('0'+k)) + name
				next := task(id)
				next.Queue, next.GroupKey = name, group
				batch = append(batch, next)
			}
		}
		enqueue(t, q, batch...)
		for range 2 {
			ds, err := q.Dequeue(within(t), 100, 0x7fffffff)
			require.NoError(t, err)
			require.Len(t, ds, 7, "one of each group")
			require.NoError(t, q.Complete(within(t), ds))
		}
		require.NoError(t, q.Complete(within(t), nil))
	}
	for _, name := range names {
		q := openQueue(t, p, driver.QueueConfig{Name: name, Type: driver.FIFO})
		require.Zero(t, stats(t, q).Ready)
	}
}

func TestAProcessLearnsOfLevelsThatAnotherAdds(t *testing.T) {
	url := sharedURL(t)
	old := openQueue(t, open(t, url), driver.QueueConfig{Type: driver.Priority, Levels: 2})
	fresh := openQueue(t, open(t, url), driver.QueueConfig{Type: driver.Priority, Levels: 5})
	urgent := task("urgent")
	urgent.Priority = 4
	enqueue(t, fresh, task("plain"), urgent)
	assert.Equal(t, "urgent", take(t, old, 1)[0].Task.ID)
	assert.Equal(t, "plain", take(t, old, 1)[0].Task.ID)
}

func TestAProcessThatKnowsFewerLevelsLosesNoTaskAboveThem(t *testing.T) {
	url := sharedURL(t)
	old := openQueue(t, open(t, url), driver.QueueConfig{Type: driver.Priority, Levels: 2})
	fresh := openQueue(t, open(t, url), driver.QueueConfig{Type: driver.Priority, Levels: 5})
	at := time.Now().Add(20 * time.Millisecond)
	for i := range 3 {
		urgent := task(fmt.Sprintf("urgent%d", i))
		urgent.Priority, urgent.ScheduledFor = 4, at
		enqueue(t, fresh, urgent)
	}
	require.Eventually(t, func() bool { return stats(t, fresh).Scheduled == 0 }, 10*time.Second, time.Millisecond)
	unique := task("unique")
	unique.UniqueKey = "k"
	enqueue(t, old, unique) // on the way it puts in line what is due
	cancelled, err := fresh.Cancel(within(t), []string{"urgent1"})
	require.NoError(t, err)
	assert.Equal(t, []string{"urgent1"}, cancelled)
	ds := take(t, fresh, 3)
	require.NoError(t, fresh.Complete(within(t), ds))
	assert.Equal(t, driver.Stats{}, stats(t, fresh))
}

func TestAClientThatGivesUpOnRepliesLosesNoTaskByIt(t *testing.T) {
	s := own(t)
	client := goredis.NewClient(&goredis.Options{Addr: s.URL[len("redis://"):], ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	p, err := New(client)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, tasks(300)...)
	held := 0
	for i := 0; held < 300; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%50)*10*time.Microsecond)
		ds, err := q.Dequeue(ctx, 1, time.Hour)
		cancel()
		if err != nil {
			require.ErrorIs(t, err, driver.ErrNoTasks)
		}
		held += len(ds)
		require.EqualValues(t, held, stats(t, q).Leased, "every lease has a holder")
	}
}
