package dlq_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

func onSQS(t *testing.T) *env {
	s := sqstest.New(nil)
	require.NoError(t, s.Start())
	t.Cleanup(s.Stop)
	p, err := openProvider(t.Context(), "sqs|"+s.URL())
	require.NoError(t, err)
	return newEnv(t, p, runtime.QueueConfig{})
}

func TestAQueueThatCannotListSaysSoWithoutItsProvider(t *testing.T) {
	d := onSQS(t)
	box, err := dlq.Open(d.m, "q", dlq.Config{})
	require.NoError(t, err)
	_, _, err = box.List(d.ctx, dlq.Filter{}, "", 10)
	assert.ErrorIs(t, err, runtime.ErrUnsupported)
	assert.ErrorContains(t, err, "provider")
	_, err = dlq.Open(d.m, "unheard of", dlq.Config{})
	assert.ErrorIs(t, err, runtime.ErrUnknownQueue)
}
