package rabbitmq

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
)

// configured is a broker of the test's own, with lines for its rabbitmq.conf.
func configured(t testing.TB, conf ...string) string {
	s, err := testserver.RabbitMQ(conf...)
	require.NoError(t, err)
	addr := room(t, s)
	roomOf(addr).alone = true
	return addr
}

func sized(id string, bytes int) *driver.Task {
	one := task(id)
	one.Payload = []byte(`"` + strings.Repeat("x", bytes) + `"`)
	return one
}

func TestATaskThatIsTooLargeForTheBrokerHarmsNoOther(t *testing.T) {
	t.Parallel()
	const limit = 200_000
	q := open(t, configured(t, fmt.Sprintf("max_message_size = %d", limit)), driver.QueueConfig{})
	put(t, q, task("held"))
	held := takeN(t, q, 1)
	before := []*session{q.p.link.current(), q.p.out.current()}
	batch := []*driver.Task{task("1"), sized("big", limit), task("2"), sized("large", limit/2), sized("huge", 2*limit), task("3")}
	_, err := q.Enqueue(within(t), batch)
	for i, one := range batch {
		switch err := driver.ErrorAt(err, i); one.ID {
		case "big", "huge":
			require.ErrorIs(t, err, driver.ErrPayloadTooLarge)
			assert.ErrorContains(t, err, "max_message_size")
			assert.ErrorContains(t, err, fmt.Sprint(limit), "the broker's reason")
		default:
			require.NoError(t, err, one.ID)
		}
	}
	assert.Equal(t, before, []*session{q.p.link.current(), q.p.out.current()}, "no connection ends for it")
	require.NoError(t, q.Complete(within(t), held), "no lease ends for it")
	assert.Equal(t, map[string]int{"1": 1, "2": 1, "3": 1, "large": 1}, drainIDs(t, q), "none is there twice")
}

// The size up to which tasks go side by side is above the broker's limit here: what
// others publish at that time is lost with the channel, and published again.
func TestWhatIsUnderWayBesideARefusedTaskArrives(t *testing.T) {
	const limit = unproven / 2
	q := open(t, configured(t, fmt.Sprintf("max_message_size = %d", limit)), driver.QueueConfig{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	want := make(map[string]bool)
	for g := range 4 {
		wg.Go(func() {
			for n := range 20 {
				ts := []*driver.Task{task(fmt.Sprint(g, "-", n, "-a")), sized(fmt.Sprint(g, "-", n, "-b"), limit), task(fmt.Sprint(g, "-", n, "-c"))}
				_, err := q.Enqueue(within(t), ts)
				assert.NoError(t, driver.ErrorAt(err, 0))
				assert.ErrorIs(t, driver.ErrorAt(err, 1), driver.ErrPayloadTooLarge)
				assert.NoError(t, driver.ErrorAt(err, 2))
				mu.Lock()
				want[ts[0].ID], want[ts[2].ID] = true, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	seen := drainIDs(t, q)
	for id := range want {
		assert.Positive(t, seen[id], id)
	}
	assert.Len(t, seen, len(want))
}

func TestATaskAsLargeAsTheBrokerTakesIsRetriedAndBuriedAndRedriven(t *testing.T) {
	const limit = 100_000
	for _, kind := range []driver.QueueType{driver.Standard, driver.Priority, driver.FIFO} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			q := open(t, limited(t), driver.QueueConfig{Type: kind})
			full := task("full")
			if kind == driver.FIFO {
				full.GroupKey = "g"
			}
			full.Payload = nil
			full = sizedTo(full, limit)
			put(t, q, full)
			d := takeN(t, q, 1)[0]
			d.Task.RetryCount = 1
			driver.RecordAttempt(d.Task, 1, "w", time.Now(), time.Second, fmt.Errorf("no answer"))
			require.NoError(t, q.Release(within(t), []*driver.Delivery{d}))
			d = takeN(t, q, 1)[0]
			assert.Equal(t, 1, d.Task.RetryCount, "what its worker wrote stays")
			assert.Equal(t, full.Payload, d.Task.Payload)
			assert.Contains(t, d.Task.Metadata[driver.MetaAttemptPrefix+"1"], "no answer")
			driver.RecordAttempt(d.Task, 2, "w", time.Now(), time.Second, fmt.Errorf("still none"))
			driver.RecordDeath(d.Task, "q", time.Now(), fmt.Errorf("still none"))
			require.NoError(t, q.DeadLetter(within(t), []*driver.Delivery{d}))
			deadQueue, err := q.p.Open(within(t), driver.QueueConfig{Name: "q-dlq"})
			require.NoError(t, err)
			x := takeN(t, deadQueue.(*queue), 1)[0]
			assert.Equal(t, full.Payload, x.Task.Payload)
			assert.Equal(t, "still none", x.Task.Metadata[driver.MetaFailureReason])
			assert.Equal(t, "q", x.Task.Metadata[driver.MetaOriginalQueue])
			require.NoError(t, deadQueue.Release(within(t), []*driver.Delivery{x}))
			ids, err := q.Redrive(within(t), []string{"full"})
			require.NoError(t, err)
			assert.Equal(t, []string{"full"}, ids)
			d = takeN(t, q, 1)[0]
			assert.Equal(t, full.Payload, d.Task.Payload)
			assert.Equal(t, 0, d.Task.RetryCount)
			assert.Equal(t, "q-dlq", d.Task.Metadata[driver.MetaRedrivenFrom])
			require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
			assert.Empty(t, drainIDs(t, q))
		})
	}
}

// sizedTo fills a task up until its envelope has n bytes.
func sizedTo(one *driver.Task, n int) *driver.Task {
	one.Payload = []byte(`""`)
	room := n - len(driver.AppendEnvelope(nil, one))
	one.Payload = []byte(`"` + strings.Repeat("x", room) + `"`)
	return one
}

var limitedServer = sync.OnceValues(func() (*testserver.Server, error) { return testserver.RabbitMQ("max_message_size = 100000") })

// limited is a broker that takes messages of at most 100,000 bytes.
func limited(t testing.TB) string {
	s, err := limitedServer()
	require.NoError(t, err)
	return room(t, s)
}

// raw publishes bytes to one of the broker's queues.
func raw(t testing.TB, url, to string, p amqp.Publishing) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	c, err := ch.PublishWithDeferredConfirm("", to, true, false, p)
	require.NoError(t, err)
	require.True(t, c.Wait())
}

func TestBytesThatCannotBeDecodedAreBuriedAsTheyAre(t *testing.T) {
	const limit = 100_000
	addr := limited(t)
	q := open(t, addr, driver.QueueConfig{})
	url := roomOf(addr).server.URL
	line, deadQueue := prefixOf(addr).line("q", 0), prefixOf(addr).line("q-dlq", 0)
	body := append(bytes.Repeat([]byte{0xff, 0}, limit/2-1), 'x', 'y')
	was := amqp.Publishing{
		MessageId: "m1", ContentType: "application/x-other", ContentEncoding: "zip", CorrelationId: "c", ReplyTo: "r", Type: "t", AppId: "a",
		Timestamp: time.Unix(1_700_000_000, 0), DeliveryMode: amqp.Persistent, Body: body,
		Headers: amqp.Table{"traceparent": "00-1-2-3", "n": int64(7), "deep": amqp.Table{"k": "v"}},
	}
	raw(t, url, line, was)
	put(t, q, task("good"))
	ds := takeN(t, q, 1)
	assert.Equal(t, "good", ds[0].Task.ID)
	require.NoError(t, q.Complete(within(t), ds))
	require.Eventually(t, func() bool {
		s, err := q.Stats(within(t))
		return err == nil && s.Dead == 1 && s.Leased == 0
	}, soon, 10*time.Millisecond)

	peek := func() amqp.Delivery {
		conn, err := amqp.Dial(url)
		require.NoError(t, err)
		defer conn.Close() // gives it back
		ch, err := conn.Channel()
		require.NoError(t, err)
		d, ok, err := ch.Get(deadQueue, false)
		require.NoError(t, err)
		require.True(t, ok)
		return d
	}
	same := func(d amqp.Delivery) {
		assert.Equal(t, body, d.Body)
		assert.Equal(t, []string{"m1", "application/x-other", "zip", "c", "r", "t", "a"}, []string{d.MessageId, d.ContentType, d.ContentEncoding, d.CorrelationId, d.ReplyTo, d.Type, d.AppId})
		assert.Equal(t, int64(1_700_000_000), d.Timestamp.Unix())
		assert.Equal(t, "00-1-2-3", d.Headers["traceparent"])
		assert.Equal(t, int64(7), d.Headers["n"])
		assert.Equal(t, amqp.Table{"k": "v"}, d.Headers["deep"])
		assert.Contains(t, d.Headers[headerReason], "envelope")
		assert.Less(t, len(textOf(d.Headers[headerReason])), maxReason+1)
		assert.Equal(t, "q", d.Headers[headerQueue])
	}
	same(peek())

	// A worker of the dead letter queue sees what it is, and may give it back.
	dead, err := q.p.Open(within(t), driver.QueueConfig{Name: "q-dlq"})
	require.NoError(t, err)
	d := takeN(t, dead.(*queue), 1)[0]
	assert.Equal(t, driver.UndecodableType, d.Task.Type)
	assert.Equal(t, "q", d.Task.Metadata[driver.MetaOriginalQueue])
	require.NoError(t, dead.Release(within(t), []*driver.Delivery{d}))
	same(peek())

	ids, err := q.Redrive(within(t), []string{"m1"})
	require.NoError(t, err)
	assert.Equal(t, []string{"m1"}, ids)
	ctx, cancel := context.WithCancel(within(t))
	heard := make(chan string, 1)
	ctx = driver.HearBuried(ctx, func(x *driver.Task) { heard <- x.ID; cancel() })
	_, err = q.Dequeue(ctx, 1, time.Minute)
	require.ErrorIs(t, err, driver.ErrNoTasks)
	assert.Equal(t, "m1", <-heard)
	same(peek())
	ids, err = q.Discard(within(t), []string{"m1"})
	require.NoError(t, err)
	assert.Equal(t, []string{"m1"}, ids)
}

func TestAMessageWithAllTheHeadersThatFitIsBuried(t *testing.T) {
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{})
	before := q.p.out.current()
	for _, n := range []int{100 << 10, 126 << 10} {
		raw(t, shared(t).URL, prefixOf(addr).line("q", 0), amqp.Publishing{MessageId: fmt.Sprint(n), Body: []byte("no envelope"), Headers: amqp.Table{"h": strings.Repeat("h", n)}})
	}
	put(t, q, task("good"))
	assert.Equal(t, "good", takeN(t, q, 1)[0].Task.ID)
	require.Eventually(t, func() bool {
		s, err := q.Stats(within(t))
		return err == nil && s.Dead == 2
	}, soon, 10*time.Millisecond)
	assert.Same(t, before, q.p.out.current())
}

// A log that tests read.
type logged struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (l *logged) await(t testing.TB, text string) {
	t.Helper()
	over := time.After(soon)
	for {
		l.mu.Lock()
		all := strings.Join(l.lines, "")
		l.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		select {
		case <-l.more:
		case <-over:
			t.Fatalf("nobody logs %q, but:\n%s", text, all)
		}
	}
}

// openLogged opens a provider whose log is read.
func openLogged(t testing.TB, addr string) (*Provider, *logged) {
	at, prefix, _ := strings.Cut(addr, "#")
	log := &logged{more: make(chan struct{}, 1)}
	p, err := Open(within(t), at, WithPrefix(prefix), WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p, log
}

func TestABurialThatFailsIsLoggedAndTriedAgainAndStopsNobody(t *testing.T) {
	addr := data(t)
	p, log := openLogged(t, addr)
	one, err := p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.NoError(t, err)
	q := one.(*queue)
	roomOf(addr).queues["q"] = q.Config()
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	deadQueue := prefixOf(addr).line("q-dlq", 0)
	_, err = ch.QueueDelete(deadQueue, false, false, false)
	require.NoError(t, err)
	raw(t, shared(t).URL, q.st.lines[0], amqp.Publishing{MessageId: "bad", Body: []byte("no envelope")})
	put(t, q, tasks(5)...)
	assert.Len(t, takeN(t, q, 5), 5)
	log.await(t, "cannot be buried")
	_, err = q.p.Open(within(t), driver.QueueConfig{Name: "q"}) // makes the dead letter queue again
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err := q.Stats(within(t))
		return err == nil && s.Dead == 1 && s.Leased == 5
	}, soon, 20*time.Millisecond)
}

// Messages of other programs may have no ID, and what earlier builds buried has the reason
// in the same header.
func TestDeadMessagesWithoutAnIDAreToldApartByTheirBytes(t *testing.T) {
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{})
	deadQueue, err := q.p.Open(within(t), driver.QueueConfig{Name: "q-dlq"})
	require.NoError(t, err)
	for _, body := range []string{"one", "two"} {
		raw(t, shared(t).URL, prefixOf(addr).line("q-dlq", 0), amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body), Headers: amqp.Table{
			headerReason: "taskgen: invalid task: envelope: why", headerQueue: "q", headerDied: "2026-03-01T10:00:00Z",
		}})
	}
	ds := takeN(t, deadQueue.(*queue), 2)
	assert.NotEqual(t, ds[0].Task.ID, ds[1].Task.ID)
	for _, d := range ds {
		assert.Equal(t, "taskgen: invalid task: the message cannot be decoded: envelope: why", d.Task.Metadata[driver.MetaFailureReason])
		assert.Equal(t, "2026-03-01T10:00:00Z", d.Task.Metadata[driver.MetaFailedAt])
	}
	require.NoError(t, deadQueue.Release(within(t), ds))
	for _, d := range ds {
		gone, err := q.Discard(within(t), []string{d.Task.ID})
		require.NoError(t, err)
		assert.Equal(t, []string{d.Task.ID}, gone)
	}
	assert.Empty(t, drainIDs(t, deadQueue.(*queue)))
}
