package dlq_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/sqsfake"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
)

func onSQS(t *testing.T) *desk {
	s := sqsfake.New(nil)
	require.NoError(t, s.Start())
	t.Cleanup(s.Stop)
	p, err := openProvider(t.Context(), "sqs|"+s.URL())
	require.NoError(t, err)
	return newDesk(t, p, runtime.QueueConfig{})
}

func TestAQueueThatCannotListIsLookedAtByReceiving(t *testing.T) {
	d := onSQS(t)
	d.buryMails(25)
	var got []string
	for cursor := ""; ; {
		page, next, err := d.box.List(d.ctx, dlq.Filter{}, cursor, 10)
		require.NoError(t, err)
		for _, l := range page {
			got = append(got, l.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	require.Len(t, got, 25)
	assert.IsIncreasing(t, got, "in the order of death, whatever the broker's")

	l, err := d.box.Show(d.ctx, "m07")
	require.NoError(t, err)
	assert.Equal(t, 1, l.Runs, "a look is no run")
	require.Len(t, l.Attempts, 1)

	done, err := d.box.Redrive(d.ctx, dlq.Redrive{Filter: dlq.Filter{Reason: "timeout"}})
	require.NoError(t, err)
	assert.Equal(t, 9, done.Moved)
	require.NoError(t, d.box.RedriveEdited(d.ctx, "m01", []byte(`{"to":"new@example.com"}`)))
	n, err := d.box.DiscardMatching(d.ctx, dlq.Filter{Text: "m02"})
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Len(t, d.ids(dlq.Filter{}), 14)

	done, err = d.box.Redrive(d.ctx, dlq.Redrive{})
	require.NoError(t, err)
	assert.Equal(t, 14, done.Moved)
	back := d.takeAll(24)
	assert.JSONEq(t, `{"to":"new@example.com"}`, string(back["m01"].Payload))
	assert.Equal(t, "1", back["m05"].Metadata[runtime.MetaRedriveCount])
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
