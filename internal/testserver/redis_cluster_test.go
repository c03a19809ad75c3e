//go:build unix

package testserver

import (
	"testing"

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
