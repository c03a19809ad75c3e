//go:build unix

package testserver

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAClusterOfRedisHasThreePrimariesAndFormsAgainAfterARestart(t *testing.T) {
	s, err := RedisCluster()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	o, err := redis.ParseClusterURL("redis" + s.URL[len("redis+cluster"):])
	require.NoError(t, err)
	c := redis.NewClusterClient(o)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for _, key := range keys {
		require.NoError(t, c.Set(t.Context(), key, key, 0).Err())
	}
	shards, err := c.ClusterShards(t.Context()).Result()
	require.NoError(t, err)
	assert.Len(t, shards, 3)
	require.NoError(t, s.Restart())
	for _, key := range keys {
		value, err := c.Get(t.Context(), key).Result()
		require.NoError(t, err)
		assert.Equal(t, key, value)
	}
}

func TestAReplicatedClusterKeepsWhatItHasThroughAFailoverAndTheEndOfANode(t *testing.T) {
	s, err := ReplicatedRedisCluster()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	o, err := redis.ParseClusterURL("redis" + s.URL[len("redis+cluster"):])
	require.NoError(t, err)
	require.Len(t, o.Addrs, 6)
	c := redis.NewClusterClient(o)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, c.Set(t.Context(), "key", "value", 0).Err())
	slot, err := c.ClusterKeySlot(t.Context(), "key").Result()
	require.NoError(t, err)
	primary := int(slot) * clusterPrimaries / clusterSlots
	holds := func() {
		t.Helper()
		require.Eventually(t, func() bool {
			value, err := c.Get(t.Context(), "key").Result()
			return err == nil && value == "value"
		}, 30*time.Second, 20*time.Millisecond)
	}

	replica := redis.NewClient(&redis.Options{Addr: o.Addrs[primary+clusterPrimaries]})
	t.Cleanup(func() { require.NoError(t, replica.Close()) })
	require.NoError(t, replica.ClusterFailover(t.Context()).Err())
	require.Eventually(t, func() bool {
		info, err := replica.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "role:master")
	}, 30*time.Second, 20*time.Millisecond)
	holds()
	node := s.Member(primary + clusterPrimaries)
	require.NoError(t, node.Kill())
	require.NoError(t, node.Restart())
	holds()
	require.NoError(t, node.Freeze())
	require.NoError(t, node.Thaw())
	holds()
	require.NoError(t, s.Restart())
	holds()
}

func TestASentinelNamesThePrimary(t *testing.T) {
	primary, err := Redis()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, primary.Stop()) })
	s, err := RedisSentinel(primary.URL[len("redis://"):])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	o, err := redis.ParseFailoverURL("redis" + s.URL[len("redis+sentinel"):])
	require.NoError(t, err)
	c := redis.NewFailoverClient(o)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, c.Set(t.Context(), "key", "value", 0).Err())
}
