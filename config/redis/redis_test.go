package redis

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// Parameters that the client would refuse are to be refused as unknown options, with all
// that there are.
func TestTheParametersOfTheClientAreThoseThatItReads(t *testing.T) {
	query := func(names []string) string {
		return "?" + strings.ReplaceAll(strings.Join(names, "=1&")+"=1", "addr=1", "addr=host:1")
	}
	former := []string{"idle_timeout", "max_conn_age"} // read where their new names are not
	_, err := redis.ParseURL("rediss://host" + query(slices.DeleteFunc(slices.Clone(single), func(name string) bool { return slices.Contains(former, name) })))
	require.NoError(t, err)
	_, err = redis.ParseURL("rediss://host" + query(former))
	require.NoError(t, err)
	require.Subset(t, single, former)
	_, err = redis.ParseClusterURL("rediss://host" + query(cluster))
	require.NoError(t, err)
	_, err = redis.ParseFailoverURL("rediss://host" + query(sentinel))
	require.NoError(t, err)
	_, err = redis.ParseURL("redis://host?no_such=1")
	require.ErrorContains(t, err, "no_such", "the client does say so")
}
