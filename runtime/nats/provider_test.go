package nats

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestAStreamThatLosesTasksIsRefused(t *testing.T) {
	t.Parallel()
	p := openShared(t)
	q := openQueue(t, p, driver.QueueConfig{})
	st, err := p.js.Stream(within(t), q.names.stream)
	require.NoError(t, err)
	cfg := st.CachedInfo().Config
	cfg.MaxMsgs = 1000
	_, err = p.js.UpdateStream(within(t), cfg)
	require.NoError(t, err)
	_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
	assert.ErrorContains(t, err, "its size is limited")
}

func TestAStreamOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	p := openShared(t)
	_, err := p.js.CreateStream(within(t), jetstream.StreamConfig{Name: p.prefix + "-q", Subjects: []string{p.prefix + ".other.>"}})
	require.NoError(t, err)
	_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
	assert.ErrorContains(t, err, "not made by taskgen")
}

func TestAConnectionThatWasGivenStaysOpen(t *testing.T) {
	t.Parallel()
	s, err := shared()
	require.NoError(t, err)
	nc, err := nats.Connect(s.URL)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	p, err := New(js, WithPrefix(newPrefix()))
	require.NoError(t, err)
	require.NoError(t, p.Close())
	assert.True(t, nc.IsConnected())
	_, err = New(js, WithPrefix("a.b"))
	assert.ErrorContains(t, err, "prefix")
	_, err = New(nil)
	assert.ErrorContains(t, err, "New needs a JetStream")
}

func TestAServerIsCheckedByTheFirstCallThatUsesIt(t *testing.T) {
	t.Parallel()
	s := own(t, "}\naccounts {\n  PLAIN { users: [ { user: a, password: b } ] }")
	url := strings.Replace(s.URL, "nats://", "nats://a:b@", 1)
	nc, err := nats.Connect(url)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	p, err := New(js)
	require.NoError(t, err, "New waits for no answer")
	for range 2 {
		_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
		require.ErrorIs(t, err, driver.ErrUnsupported)
		require.ErrorContains(t, err, "start it with -js")
		_, err = p.Fleet().List(within(t))
		require.ErrorIs(t, err, driver.ErrUnsupported)
	}
	require.NoError(t, p.Close())
	_, err = p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrClosed)
	_, err = Open(within(t), url)
	require.ErrorContains(t, err, "start it with -js")
}

func TestAProviderOnAConnectionThatIsNotThereYetWaitsAsLongAsItsContexts(t *testing.T) {
	t.Parallel()
	nc, err := nats.Connect("nats://127.0.0.1:1", nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1))
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	p, err := New(js)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = p.Open(ctx, driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, p.Close())
}

func TestConsumersThatWereDeletedComeBack(t *testing.T) {
	t.Parallel()
	p := openShared(t)
	q := openQueue(t, p, driver.QueueConfig{})
	require.NoError(t, p.js.DeleteConsumer(within(t), q.names.stream, readyConsumer(defaultPartition)))
	put(t, q, newTask(q, "a"))
	assert.Equal(t, "a", take(t, q, 1, time.Minute)[0].Task.ID)
}

func TestADequeueThatIsCancelledLeavesNothingLeased(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	n := 0
	for i := range 30 {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan []*driver.Delivery)
		go func() {
			ds, _ := q.Dequeue(ctx, 50, time.Minute)
			done <- ds
		}()
		for range 20 {
			n++
			put(t, q, newTask(q, time.Duration(n).String()))
			if i%3 == 0 {
				cancel()
			}
		}
		cancel()
		ds := <-done
		require.NoError(t, q.Release(within(t), ds))
		st, err := q.Stats(within(t))
		require.NoError(t, err)
		require.Zero(t, st.Leased, "round %d", i)
	}
	for _, d := range take(t, q, n, time.Minute) {
		require.Zero(t, d.Crashes, "task %s", d.Task.ID)
	}
}

func TestAMessageThatCannotBeDecodedIsBuried(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		q := openQueue(t, openShared(t), cfg)
		place, group := placeReady+defaultPartition, none
		if cfg.Type == driver.FIFO {
			place, group = placeHead, "g"
		}
		bad := publish(q.at(place, tail(group, none, "x")), []byte("\x00no envelope"), guard{}, nil)
		require.NoError(t, q.requester.roundTrip(within(t), []*request{bad}, nil))
		put(t, q, newTask(q, "good"))
		cancelOnRefusal := 0
		ds, err := q.Dequeue(driver.HearBuried(within(t), func(*driver.Task) { cancelOnRefusal++ }), 1, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, "good", ds[0].Task.ID)
		assert.Equal(t, 1, cancelOnRefusal)
		counts(t, q, driver.Stats{Leased: 1, Dead: 1})
		dead, err := q.p.Open(within(t), driver.QueueConfig{Name: q.cfg.DLQ})
		require.NoError(t, err)
		d := take(t, dead.(*queue), 1, time.Minute)[0]
		assert.Equal(t, driver.UndecodableType, d.Task.Type)
		assert.Equal(t, `"AG5vIGVudmVsb3Bl"`, string(d.Task.Payload))
		assert.Contains(t, d.Task.Metadata[driver.MetaFailureReason], driver.ErrInvalidTask.Error())
	}
}

func TestLevelsBeyondWhatConsumersCanServeAreRefused(t *testing.T) {
	t.Parallel()
	p := openShared(t)
	_, err := p.Open(within(t), driver.QueueConfig{Name: "p", Type: driver.Priority, Levels: maxLevels + 1})
	require.ErrorIs(t, err, driver.ErrUnsupported)
	_, err = p.Open(within(t), driver.QueueConfig{Name: "c", Capacity: 5})
	require.ErrorIs(t, err, driver.ErrUnsupported)
}

func TestNothingStaysInTheStreamOfAQueueThatIsEmpty(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	openQueue(t, q.p, driver.QueueConfig{}) // has one already
	put(t, q, newTask(q, "a"), newTask(q, "b"), newTask(q, "c", func(t *driver.Task) { t.UniqueKey = "k" }))
	require.NoError(t, q.Complete(within(t), take(t, q, 3, time.Minute)))
	st, err := q.p.js.Stream(within(t), q.names.stream)
	require.NoError(t, err)
	state := st.CachedInfo().State
	assert.Zero(t, state.Msgs)
	assert.EqualValues(t, 4, state.FirstSeq)
	assert.EqualValues(t, 3, state.LastSeq)
}

func TestALeaseThatEndedAWhileAgoIsLeftToTheServer(t *testing.T) {
	now := time.Now()
	soon := &lease{receipt: "soon", until: now.Add(time.Hour)}
	just := &lease{receipt: "just", until: now}
	long := &lease{receipt: "long", until: now.Add(-slack)}
	h := leases{byReceipt: map[string]*lease{"soon": soon, "just": just, "long": long}}
	assert.Equal(t, []*lease{just}, h.ended([]*lease{soon, just, long}))
	assert.Equal(t, []*lease{soon}, h.all())
}
