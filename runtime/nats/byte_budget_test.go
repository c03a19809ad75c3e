package nats

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// config is a line for a server's configuration beside its block jetstream, in
// which the lines of testserver stand.
func config(line string) string { return "}\n" + line + "\nauthorization {" }

// TestLargeMessagesOverASlowLink asks for more than the server buffers for one
// connection, by whatever asks for messages.
func TestLargeMessagesOverASlowLink(t *testing.T) {
	t.Parallel()
	const n, size = 20, 700_000
	s := own(t, config("max_pending: 8MB"))
	g := newGateway(t, s.URL, 60<<20)
	slow := openQueue(t, open(t, g.url()), driver.QueueConfig{Visibility: 2 * time.Minute, MaxDeliveries: 10})
	direct := openQueue(t, open(t, s.URL), driver.QueueConfig{Visibility: 2 * time.Minute, MaxDeliveries: 10})
	tasks := make([]*driver.Task, n)
	for i := range tasks {
		tasks[i] = newTask(direct, fmt.Sprint(i), func(t *driver.Task) { t.Payload = []byte(`"` + strings.Repeat("x", size) + `"`) })
	}
	put(t, direct, tasks...)
	ctx, cancel := context.WithTimeout(context.Background(), 6*soon)
	defer cancel()
	_, err := slow.Enqueue(ctx, tasks) // it asks what holds their IDs
	require.ErrorIs(t, err, driver.ErrDuplicate)
	listed, _, err := slow.Browse(ctx, driver.Ready, "", n+1)
	require.NoError(t, err)
	assert.Len(t, listed, n)
	var ds []*driver.Delivery
	for len(ds) < n {
		more, err := slow.Dequeue(ctx, n-len(ds), 2*time.Minute)
		require.NoError(t, err)
		ds = append(ds, more...)
	}
	for _, d := range ds {
		assert.Zero(t, d.Crashes)
		driver.RecordDeath(d.Task, "q", time.Now(), assert.AnError)
	}
	require.NoError(t, slow.DeadLetter(ctx, ds))
	moved, err := slow.Redrive(ctx, nil)
	require.NoError(t, err)
	assert.Len(t, moved, n)
	assert.EqualValues(t, 1, g.conns.Load(), "the server has closed a connection")
	assert.Zero(t, slow.requester.nc.Stats().Reconnects)
}

func TestAByteBudgetShrinksWhenTheConnectionIsLost(t *testing.T) {
	l := byteBudget{most: maxBudget}
	assert.Equal(t, maxBudget, l.pull(10))
	assert.Equal(t, maxBudget/2, l.pull(10), "two share")
	assert.Equal(t, maxBudget, l.pull(maxBudget), "but each may bring one message")
	l.observe(100)
	l.connectionLost()
	assert.Equal(t, inBase64(5000), l.weight(1, 5000), "what answers may have is not known")
	for range 20 {
		l.shrink()
	}
	assert.Equal(t, minBudget, l.most)
	for range 20 {
		l.grow()
	}
	assert.Equal(t, maxBudget, l.most)
}

func TestAMessageThatIsLargerThanTheServerTakesByNowIsAskedForAlone(t *testing.T) {
	tooLarge := &nats.Msg{Header: nats.Header{"Status": {"409"}, "Description": {"Message Size Exceeds MaxBytes"}}}
	p := &pull{open: 1}
	assert.True(t, p.accept(tooLarge, true, 10))
	p = &pull{open: 1, got: make([]pulled, 1)}
	assert.False(t, p.accept(tooLarge, true, 10))
	assert.Zero(t, p.open)
	require.NoError(t, p.err)
}
