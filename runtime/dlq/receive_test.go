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

func TestSingleLettersAreRedrivenByReceivingThem(t *testing.T) {
	d := onSQS(t)
	d.buryMails(4)
	moved, err := d.box.RedriveLetters(d.ctx, nil)
	require.NoError(t, err)
	assert.Empty(t, moved)
	read, err := d.box.Show(d.ctx, "m02")
	require.NoError(t, err)
	moved, err = d.box.RedriveLetters(d.ctx, []string{"m00", read.Ref, "nobody"})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"m00", read.Ref}, moved)
	assert.ElementsMatch(t, []string{"m01", "m03"}, d.ids(dlq.Filter{}))
}
