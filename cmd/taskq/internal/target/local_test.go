package target_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestAQueueIsNamedWithItsType(t *testing.T) {
	for text, want := range map[string]runtime.QueueConfig{
		"a":            {Name: "a", Type: driver.Standard},
		"a:fifo":       {Name: "a", Type: runtime.FIFO},
		"a:priority":   {Name: "a", Type: runtime.Priority},
		"a:priority:5": {Name: "a", Type: runtime.Priority, Levels: 5},
	} {
		got, err := target.ParseQueue(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", ":fifo", "a:lifo", "a:priority:1", "a:priority:many", "a:fifo:3"} {
		_, err := target.ParseQueue(text)
		assert.Equal(t, exit.Usage, exit.Of(err), text)
	}
}

func TestAnAPIInThisProcessHasWhatTheProviderKeeps(t *testing.T) {
	c, err := target.Open(t.Context(), target.Options{Provider: "memory:", Queues: []string{"emails"}})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	assert.True(t, c.Local)
	info, err := c.Monitoring.GetClusterInfo(t.Context(), &v1.GetClusterInfoRequest{})
	require.NoError(t, err)
	assert.EqualValues(t, 1, info.GetQueues())
	stream, err := c.Monitoring.StreamMetrics(t.Context(), &v1.StreamMetricsRequest{})
	require.NoError(t, err)
	require.True(t, stream.Receive(), stream.Err())
	assert.Equal(t, "emails", stream.Msg().GetQueues()[0].GetQueue())
	require.NoError(t, stream.Close())
}

func TestOnlyOneThingIsConnectedTo(t *testing.T) {
	for _, o := range []target.Options{{}, {URL: "http://a", Provider: "memory:"}, {Config: "a", Provider: "memory:"}} {
		_, err := target.Open(t.Context(), o)
		assert.Equal(t, exit.Usage, exit.Of(err))
	}
}

func TestTheNameOfABrokerHasNoPassword(t *testing.T) {
	_, err := target.Open(t.Context(), target.Options{Provider: "redis://app:CANARY@127.0.0.1:1", Queues: []string{"a"}})
	require.Error(t, err)
	assert.Equal(t, exit.Unavailable, exit.Of(err), err)
	assert.NotContains(t, err.Error(), "CANARY")
}
