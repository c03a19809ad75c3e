package rabbitmq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The pool extends leases while it settles their tasks. A task that cannot be
// settled is leased still.
func TestALeaseCanBeExtendedWhileItsTaskIsSettled(t *testing.T) {
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{})
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	_, err = ch.QueueDelete(prefixOf(addr).line("q-dlq", 0), false, false, false)
	require.NoError(t, err)
	put(t, q, task("1"))
	ds := takeN(t, q, 1)

	roomOf(addr).proxy.Delay(500 * time.Millisecond)
	answer := make(chan error, 1)
	go func() {
		own := *ds[0]
		answer <- q.DeadLetter(within(t), []*driver.Delivery{&own})
	}()
	require.Eventually(t, func() bool {
		q.st.mu.Lock()
		defer q.st.mu.Unlock()
		return q.st.leases[ds[0].Receipt].state == settling
	}, soon, time.Millisecond)
	before := ds[0].LeaseUntil
	require.NoError(t, q.Extend(within(t), ds, 2*time.Minute))
	assert.True(t, ds[0].LeaseUntil.After(before))
	require.ErrorIs(t, q.Complete(within(t), ds), driver.ErrLeaseLost, "somebody else settles it")

	require.ErrorIs(t, <-answer, driver.ErrUnknownQueue)
	roomOf(addr).proxy.Delay(0)
	require.NoError(t, q.Complete(within(t), ds))
	require.ErrorIs(t, q.Extend(within(t), ds, time.Minute), driver.ErrLeaseLost)
}
