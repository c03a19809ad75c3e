package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// openOn opens a queue of a provider, whatever its kind.
func openOn(t testing.TB, addr string, p *Provider, cfg driver.QueueConfig) *queue {
	t.Helper()
	q, err := noting{p, roomOf(addr)}.Open(within(t), cfg)
	require.NoError(t, err)
	return q.(*queue)
}

// delayed are tasks of a queue that are due after a while.
func delayed(q *queue, n int, wait time.Duration) []*driver.Task {
	ts := tasks(n)
	for _, one := range ts {
		one.ID = q.cfg.Name + "-" + wait.String() + "-" + one.ID
		one.Queue, one.ScheduledFor = q.cfg.Name, time.Now().Add(wait)
		if q.cfg.Type == driver.FIFO {
			one.GroupKey = one.ID
		}
	}
	return ts
}

// inTime takes tasks and holds that each belongs to the queue, is not early, and has not
// crashed.
func inTime(t testing.TB, q *queue, n int) {
	t.Helper()
	seen := make(map[string]bool)
	for len(seen) < n {
		for _, d := range takeN(t, q, 1) {
			assert.False(t, time.Now().Before(d.Task.ScheduledFor), "%s is early", d.Task.ID)
			assert.Equal(t, q.cfg.Name, d.Task.Queue)
			assert.True(t, strings.HasPrefix(d.Task.ID, q.cfg.Name+"-"), "%s is on queue %s", d.Task.ID, q.cfg.Name)
			assert.Equal(t, `{"n":1}`, string(d.Task.Payload))
			assert.Zero(t, d.Crashes, d.Task.ID)
			seen[d.Task.ID] = true
			require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
		}
	}
}

// holds counts what waits in one of the broker's queues.
func holds(t testing.TB, q *queue, name string) int {
	t.Helper()
	s, err := q.p.link.session(within(t))
	require.NoError(t, err)
	n, err := s.ready(within(t), name)
	require.NoError(t, err)
	return n
}

func TestTenQueuesShareOneLadder(t *testing.T) {
	addr := data(t)
	p := openAt(t, addr)
	want := steps + 1 + 1 + 2 // the steps, the unclaimed tasks, the presence queue, and two of the process
	for i, kind := range []driver.QueueType{
		driver.Standard, driver.Standard, driver.Standard, driver.Standard, driver.Priority,
		driver.Priority, driver.Priority, driver.FIFO, driver.FIFO, driver.Standard,
	} {
		q := openOn(t, addr, p, driver.QueueConfig{Name: fmt.Sprint("q", i), Type: kind})
		want += len(q.st.lines) + 2
	}
	out, err := roomOf(addr).server.RabbitMQCtl(within(t), "--quiet", "list_queues", "name")
	require.NoError(t, err)
	assert.Equal(t, want, strings.Count("\n"+out, "\n"+prefixOf(addr).prefix), out)
}

// kinds are queues of all kinds, each of a process of its own.
func kinds(t testing.TB, addr string) (all []*queue) {
	for _, kind := range []driver.QueueType{driver.Standard, driver.Priority, driver.FIFO} {
		all = append(all, open(t, addr, driver.QueueConfig{Name: string(kind), Type: kind}))
	}
	return all
}

func TestADelayedTaskComesBackToItsOwnQueue(t *testing.T) {
	t.Parallel()
	addr := data(t)
	all := kinds(t, addr)
	for _, wait := range []time.Duration{60 * time.Millisecond, 300 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second} {
		for _, q := range all {
			put(t, q, delayed(q, 10, wait)...)
		}
	}
	for _, q := range all {
		inTime(t, q, 40)
		assert.Empty(t, drainIDs(t, q))
	}
}

// soonAgain has a broker send again what it was moving from a step when it was killed, in
// seconds rather than in three minutes.
const soonAgain = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 3000}]}]."

func TestADelayedTaskComesBackToItsOwnQueueThoughTheBrokerIsKilled(t *testing.T) {
	t.Parallel()
	addr := configured(t, soonAgain)
	all := kinds(t, addr)
	<-time.After(settled)
	for _, wait := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		for _, q := range all {
			put(t, q, delayed(q, 10, wait)...)
		}
	}
	s := roomOf(addr).server
	require.NoError(t, s.Kill())
	require.NoError(t, s.Restart())
	seen := make(map[string]bool)
	for _, q := range all {
		for n := len(seen); len(seen) < n+30; {
			d := takeN(t, q, 1)[0]
			assert.False(t, time.Now().Before(d.Task.ScheduledFor), "%s is early", d.Task.ID)
			assert.True(t, strings.HasPrefix(d.Task.ID, q.cfg.Name+"-"), "%s is on queue %s", d.Task.ID, q.cfg.Name)
			seen[d.Task.ID] = true // one that was moved as the broker was killed may come twice
			require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
		}
	}
}

func TestAProcessGetsNoTasksOfQueuesThatItHasNotOpened(t *testing.T) {
	addr := data(t)
	b := open(t, addr, driver.QueueConfig{Name: "b"})
	put(t, b, delayed(b, 5, 500*time.Millisecond)...)
	require.NoError(t, b.p.Close())
	a := open(t, addr, driver.QueueConfig{Name: "a"})
	put(t, a, delayed(a, 5, 500*time.Millisecond)...)
	inTime(t, a, 5)
	require.Eventually(t, func() bool { return holds(t, a, b.p.names.gate("b")) == 5 }, soon, 10*time.Millisecond)
	assert.Empty(t, drainIDs(t, a))
	inTime(t, open(t, addr, driver.QueueConfig{Name: "b"}), 5)
}

func TestAPurgeTakesTheDelayedTasksOfItsOwnQueue(t *testing.T) {
	addr := data(t)
	a, b := open(t, addr, driver.QueueConfig{Name: "a"}), open(t, addr, driver.QueueConfig{Name: "b", Type: driver.Priority})
	put(t, b, delayed(b, 20, 8*time.Second)...)
	put(t, b, delayed(b, 3, time.Hour)...)
	for range 5 { // each counts one more return of the others, in the broker
		put(t, a, delayed(a, 5, 8*time.Second)...)
		put(t, a, delayed(a, 4, time.Hour)...)
		put(t, a, task("due"))
		n, err := a.Purge(within(t))
		require.NoError(t, err)
		assert.Equal(t, 10, n)
	}
	inTime(t, b, 20)
	assert.Empty(t, drainIDs(t, a))
	n, err := b.Purge(within(t))
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}

// A scan has all that it passes over: without the lock, two would take the tasks of each
// other for gone.
func TestTwoProcessesPurgeAtOnce(t *testing.T) {
	addr := data(t)
	var all []*queue
	for _, name := range []string{"a", "b", "c"} {
		q := open(t, addr, driver.QueueConfig{Name: name})
		put(t, q, delayed(q, 400, time.Hour)...)
		all = append(all, q)
	}
	var wg sync.WaitGroup
	for _, q := range all {
		wg.Go(func() {
			n, err := q.Purge(within(t))
			assert.NoError(t, err)
			assert.Equal(t, 400, n, q.cfg.Name)
		})
	}
	wg.Wait()
}

// Versions before the shared ladder have one for each queue, and leave tasks in it.
func TestTasksOnALadderOfTheirOwnComeAndArePurged(t *testing.T) {
	addr := data(t)
	n := prefixOf(addr)
	q := open(t, addr, driver.QueueConfig{})
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	for k := range steps {
		name := n.ownWait("q", k)
		require.NoError(t, declareQuorum(ch, name, amqp.Table{
			"x-message-ttl": step(k).Milliseconds(), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": n.gate("q"), "x-dead-letter-strategy": "at-least-once",
		}))
		defer ch.QueueDelete(name, false, false, false)
	}
	for _, wait := range []time.Duration{300 * time.Millisecond, 2 * time.Second, time.Hour, 20 * time.Hour} {
		for _, one := range delayed(q, 3, wait) {
			raw(t, roomOf(addr).server.URL, n.ownWait("q", stepFor(wait, steps-1)), amqp.Publishing{
				DeliveryMode: amqp.Persistent, ContentType: "application/json", MessageId: one.ID, Body: driver.AppendEnvelope(nil, one),
				Headers: amqp.Table{headerDue: one.ScheduledFor.UnixNano()},
			})
		}
	}
	put(t, q, delayed(q, 2, time.Second)...)
	inTime(t, q, 8)
	left, err := q.Purge(within(t))
	require.NoError(t, err)
	assert.Equal(t, 6, left)
}

func TestAStepThatSomebodyHasDeletedIsAnErrorUntilAQueueIsOpened(t *testing.T) {
	addr := data(t)
	n := prefixOf(addr)
	p := openAt(t, addr)
	q := openOn(t, addr, p, driver.QueueConfig{Name: "q"})
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	wait := 300 * time.Millisecond
	missing := n.wait(stepFor(wait, steps-1))
	for what, remove := range map[string]func() error{
		"queue":    func() error { _, err := ch.QueueDelete(missing, false, false, false); return err },
		"exchange": func() error { return ch.ExchangeDelete(missing, false, false) },
	} {
		require.NoError(t, remove())
		before := p.out.current()
		batch := append(delayed(q, 20, wait), task(what))
		_, err = q.Enqueue(within(t), batch)
		for i := range 20 {
			require.ErrorIs(t, driver.ErrorAt(err, i), driver.ErrUnknownQueue, what)
			require.ErrorContains(t, driver.ErrorAt(err, i), missing, what)
			require.ErrorContains(t, driver.ErrorAt(err, i), "open", what)
		}
		require.NoError(t, driver.ErrorAt(err, 20))
		assert.Same(t, before, p.out.current())
		assert.Equal(t, []string{what}, keys(drainIDs(t, q)))
		openOn(t, addr, p, driver.QueueConfig{Name: "q"})
		put(t, q, delayed(q, 20, wait)...)
		inTime(t, q, 20)
	}
}

func keys(m map[string]int) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

func TestALadderWithOtherPropertiesIsExplained(t *testing.T) {
	addr := data(t)
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	name := prefixOf(addr).wait(3)
	require.NoError(t, declareQuorum(ch, name, amqp.Table{"x-message-ttl": int64(1)}))
	defer ch.QueueDelete(name, false, false, false)
	p := openAt(t, addr)
	_, err = noting{p, roomOf(addr)}.Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
	assert.ErrorContains(t, err, name)
}

// A broker keeps what it can bring nowhere, and takes 32 messages at a time off a step.
func TestTheDelayedTasksOfADeletedQueueHoldUpNoOtherAndComeWhenItIsOpenedAgain(t *testing.T) {
	addr := data(t)
	n := prefixOf(addr)
	gone, q := open(t, addr, driver.QueueConfig{Name: "gone"}), open(t, addr, driver.QueueConfig{Name: "q"})
	const wait = 2 * time.Second // so long that the gate is gone before they get there
	put(t, gone, delayed(gone, 100, wait)...)
	require.NoError(t, gone.p.Close())
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	_, err = ch.QueueDelete(n.gate("gone"), false, false, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return holds(t, q, n.unclaimed()) == 100 }, soon, 10*time.Millisecond)
	put(t, q, delayed(q, 20, wait)...)
	inTime(t, q, 20)

	again := open(t, addr, driver.QueueConfig{Name: "gone"})
	inTime(t, again, 100)
	assert.Zero(t, holds(t, q, n.unclaimed()))

	// What nobody has claimed is purged with the rest.
	put(t, again, delayed(again, 10, wait)...)
	_, err = ch.QueueDelete(n.gate("gone"), false, false, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return holds(t, q, n.unclaimed()) == 10 }, soon, 10*time.Millisecond)
	total, err := again.Purge(within(t))
	require.ErrorIs(t, err, driver.ErrUnknownQueue, "its gate")
	assert.Equal(t, 10, total)
}

func TestAPurgeThatIsBrokenOffLetsOthersPurge(t *testing.T) {
	addr := data(t)
	a, b := open(t, addr, driver.QueueConfig{Name: "a"}), open(t, addr, driver.QueueConfig{Name: "b"})
	s, err := a.p.link.session(within(t))
	require.NoError(t, err)
	free, err := a.p.lockLadder(within(t), s)
	require.NoError(t, err)
	put(t, b, delayed(b, 3, time.Hour)...)
	ctx, cancel := context.WithTimeout(within(t), 200*time.Millisecond)
	defer cancel()
	_, err = b.Purge(ctx)
	require.Error(t, err)
	require.True(t, errors.Is(err, ctx.Err()), "%v", err)
	free()
	n, err := b.Purge(within(t))
	require.NoError(t, err)
	assert.Equal(t, 3, n)

	// The lock ends with its process.
	_, err = a.p.lockLadder(within(t), s)
	require.NoError(t, err)
	go func() { _ = a.p.Close() }()
	n, err = b.Purge(within(t))
	require.NoError(t, err)
	assert.Zero(t, n)
}
