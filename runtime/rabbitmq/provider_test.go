package rabbitmq

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func dialShared(t testing.TB) *amqp.Connection {
	conn, err := amqp.Dial(shared(t).URL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func prefixOf(addr string) names {
	_, prefix, _ := strings.Cut(addr, "#")
	return namesOf(prefix)
}

func TestTheBrokerIsAtLeastTheVersionThatIsPromised(t *testing.T) {
	version, _ := dialShared(t).Properties["version"].(string)
	t.Logf("RabbitMQ %s", version)
	assert.True(t, strings.HasPrefix(version, "4.") || version >= "3.10" && version < "3.2" || version >= "3.11", "RabbitMQ %q", version)
}

func TestAnExistingQueueThatDiffersIsExplained(t *testing.T) {
	addr := data(t)
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	name := prefixOf(addr).line("foreign", 0)
	_, err = ch.QueueDeclare(name, true, false, false, false, nil) // a classic one
	require.NoError(t, err)
	p := openAt(t, addr)
	_, err = p.Open(within(t), driver.QueueConfig{Name: "foreign"})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
	assert.ErrorContains(t, err, "rabbitmqctl delete_queue")
	assert.ErrorContains(t, err, name)
	_, err = ch.QueueDelete(name, false, false, false)
	require.NoError(t, err)
	require.NoError(t, ch.ExchangeDelete(prefixOf(addr).plan("foreign"), false, false))
}

func TestAFifoQueueWithOtherPartitionsIsRefused(t *testing.T) {
	addr := data(t)
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	plan := prefixOf(addr).plan("f")
	require.NoError(t, ch.ExchangeDeclare(plan, amqp.ExchangeDirect, true, false, false, false, amqp.Table{"alternate-exchange": "taskgen: fifo in 3 partitions"}))
	defer ch.ExchangeDelete(plan, false, false)
	_, err = openAt(t, addr).Open(within(t), driver.QueueConfig{Name: "f", Type: driver.FIFO})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
	assert.ErrorContains(t, err, "fifo in 3 partitions")
}

func TestAUniqueKeyIsRefusedRatherThanForgotten(t *testing.T) {
	q := open(t, data(t), driver.QueueConfig{})
	one, two := task("1"), task("2")
	one.UniqueKey = "k"
	_, err := q.Enqueue(within(t), []*driver.Task{one, two})
	require.ErrorIs(t, driver.ErrorAt(err, 0), driver.ErrUnsupported)
	require.NoError(t, driver.ErrorAt(err, 1))
	assert.Equal(t, map[string]int{"2": 1}, drainIDs(t, q))
}

func TestAQueueThatWasDeletedInTheBrokerIsAnErrorAndNoSilence(t *testing.T) {
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{})
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	_, err = ch.QueueDelete(prefixOf(addr).line("q", 0), false, false, false)
	require.NoError(t, err)
	_, err = q.Enqueue(within(t), tasks(3))
	require.ErrorIs(t, err, driver.ErrUnknownQueue)
	_, err = q.Dequeue(within(t), 1, time.Minute)
	require.ErrorIs(t, err, driver.ErrUnknownQueue)
	_, err = q.p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.NoError(t, err)
	put(t, q, task("after"))
	assert.Equal(t, map[string]int{"after": 1}, drainIDs(t, q))
}

func TestAMessageThatCannotBeDecodedGoesToTheDeadLetterQueue(t *testing.T) {
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{})
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	for _, bad := range []string{"", "{", `{"v":99}`, "\xff\x00"} {
		c, err := ch.PublishWithDeferredConfirm("", prefixOf(addr).line("q", 0), true, false, amqp.Publishing{MessageId: "bad", DeliveryMode: amqp.Persistent, Body: []byte(bad)})
		require.NoError(t, err)
		require.True(t, c.Wait())
	}
	put(t, q, task("good"))
	heard := make(chan string, 10)
	ds, err := q.Dequeue(driver.HearBuried(within(t), func(t *driver.Task) { heard <- t.ID }), 1, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, "good", ds[0].Task.ID)
	for range 4 {
		select {
		case id := <-heard:
			assert.Equal(t, "bad", id)
		case <-time.After(soon):
			t.Fatal("nobody is told of a message that was buried")
		}
	}
	dead, err := q.p.Open(within(t), driver.QueueConfig{Name: "q-dlq"})
	require.NoError(t, err)
	for _, d := range takeN(t, dead.(*queue), 4) {
		assert.Equal(t, driver.UndecodableType, d.Task.Type)
		assert.Contains(t, d.Task.Metadata[driver.MetaFailureReason], "cannot be decoded")
	}
}

func TestAConnectionOfTheCallersStaysOpen(t *testing.T) {
	addr := data(t)
	conn := dialShared(t)
	p, err := NewOn(conn, WithPrefix(prefixOf(addr).prefix))
	require.NoError(t, err)
	q, err := p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.NoError(t, err)
	roomOf(addr).queues["q"] = q.Config()
	put(t, q.(*queue), tasks(3)...)
	assert.Len(t, takeN(t, q.(*queue), 2), 2)
	require.NoError(t, p.Close())
	assert.False(t, conn.IsClosed())
	again, err := NewOn(conn, WithPrefix(prefixOf(addr).prefix))
	require.NoError(t, err)
	q, err = again.Open(within(t), driver.QueueConfig{Name: "q"})
	require.NoError(t, err)
	assert.Len(t, drainIDs(t, q.(*queue)), 3, "what was leased is back")
	require.NoError(t, again.Close())
}

func TestTheFirstOpenOfAQueueDialsOnceAndSaysWhyItCannot(t *testing.T) {
	addr := data(t)
	at, prefix, _ := strings.Cut(addr, "#")
	refused, dials := errors.New("no credentials yet"), 0
	p, err := New(func(context.Context) (*amqp.Connection, error) {
		if dials++; dials == 1 {
			return nil, refused
		}
		return amqp.Dial(at)
	}, WithPrefix(prefix))
	require.NoError(t, err)
	require.Zero(t, dials, "New dials nothing")
	_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, refused)
	require.Equal(t, 1, dials)
	for range 2 {
		_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
		require.NoError(t, err)
		require.Equal(t, 3, dials, "one connection to consume, one to publish")
	}
	require.NoError(t, p.Close())
	_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrClosed)

	p, err = New(func(context.Context) (*amqp.Connection, error) { return nil, refused })
	require.NoError(t, err)
	require.NoError(t, p.Close(), "a provider that has never connected")
}

func TestAConnectionThatIsMadeWhileTheProviderClosesIsClosed(t *testing.T) {
	at := shared(t).URL
	dialled, goOn := make(chan *amqp.Connection, 1), make(chan struct{})
	p, err := New(func(context.Context) (*amqp.Connection, error) {
		conn, err := amqp.Dial(at)
		dialled <- conn
		<-goOn
		return conn, err
	})
	require.NoError(t, err)
	opened := make(chan error, 1)
	go func() {
		_, err := p.Open(within(t), driver.QueueConfig{Name: "q"})
		opened <- err
	}()
	conn := <-dialled
	require.NoError(t, p.Close())
	close(goOn)
	require.ErrorIs(t, <-opened, driver.ErrClosed)
	require.Eventually(t, conn.IsClosed, soon, time.Millisecond)
}

func TestAConstructorWithoutAClientIsAnError(t *testing.T) {
	_, err := New(nil)
	require.ErrorContains(t, err, "New needs a Dialer")
	_, err = NewOn(nil)
	require.ErrorContains(t, err, "NewOn needs a connection")
}

func TestAShortDelayNeverWaitsBehindALongOne(t *testing.T) {
	q := open(t, data(t), driver.QueueConfig{})
	now := time.Now()
	var ts []*driver.Task
	for i, d := range []time.Duration{time.Hour, 20 * time.Minute, 5 * time.Second, 90 * time.Second, 400 * time.Millisecond} {
		one := tasks(5)[i]
		one.ScheduledFor = now.Add(d)
		ts = append(ts, one)
	}
	put(t, q, ts...)
	d := takeN(t, q, 1)[0]
	assert.Equal(t, ts[4].ID, d.Task.ID)
	assert.False(t, time.Now().Before(ts[4].ScheduledFor))
	d = takeN(t, q, 1)[0]
	assert.Equal(t, ts[2].ID, d.Task.ID)
	assert.False(t, time.Now().Before(ts[2].ScheduledFor))
	n, err := q.Purge(within(t))
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}

func TestNoLeaseOutlastsTheBrokersConsumerTimeout(t *testing.T) {
	addr := data(t)
	at, prefix, _ := strings.Cut(addr, "#")
	p, err := Open(within(t), at, WithPrefix(prefix), WithConsumerTimeout(10*time.Second))
	require.NoError(t, err)
	defer p.Close()
	q, err := p.Open(within(t), driver.QueueConfig{Name: "q", Visibility: 2 * time.Second})
	require.NoError(t, err)
	roomOf(addr).queues["q"] = q.Config()
	assert.Equal(t, 5*time.Second, q.Capabilities().MaxLease)
	put(t, q.(*queue), task("1"))
	ds, err := q.Dequeue(within(t), 1, time.Second)
	require.NoError(t, err)
	taken := time.Now()
	<-time.After(200 * time.Millisecond)
	require.NoError(t, q.Extend(within(t), ds, 5*time.Second))
	assert.LessOrEqual(t, ds[0].LeaseUntil.Sub(taken), 5*time.Second, "counted from when the broker delivered it")
}

// The loops of a provider that is closed end here, before its connections do.
func TestNoCallThatHasEndedGetsAConnection(t *testing.T) {
	q := open(t, data(t), driver.QueueConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := q.p.link.session(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
