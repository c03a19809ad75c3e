package nats

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// publishBytes publishes headers as they are, whether or not anybody can read them.
func publishBytes(t testing.TB, q *queue, subject, header, body string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(q.requester.nc.ConnectedUrl(), "nats://"))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	_, err = fmt.Fprintf(c, "CONNECT {\"headers\":true,\"verbose\":false}\r\nHPUB %s %d %d\r\n%s%s\r\nPING\r\n", q.root+subject, len(header), len(header)+len(body), header, body)
	require.NoError(t, err)
	var said strings.Builder
	room := make([]byte, 4<<10)
	for !strings.Contains(said.String(), "PONG") {
		n, err := c.Read(room)
		require.NoError(t, err, said.String())
		said.Write(room[:n])
		require.NotContains(t, said.String(), "-ERR")
	}
}

// TestWhateverTheServerTakesLeavesTheQueue publishes the largest and the oddest
// messages to all places where other programs may put them.
func TestWhateverTheServerTakesLeavesTheQueue(t *testing.T) {
	t.Parallel()
	p := open(t, own(t, config("max_payload: 64KB")).URL) // small, for the sake of the machine
	for _, cfg := range []driver.QueueConfig{{Name: "s"}, {Name: "p", Type: driver.Priority, Levels: 2}, {Name: "f", Type: driver.FIFO}} {
		cfg.Visibility = time.Second
		q := openQueue(t, p, cfg)
		most := int(q.p.js.Conn().MaxPayload())
		places := []string{"q.r.0", "wrong"}
		if cfg.Type == driver.FIFO {
			places = []string{"q.a.h", "d.j.0", "wrong"}
		}
		n := 0
		say := func(header, body string) {
			for _, place := range places {
				n++
				subject := fmt.Sprintf("%s.g%d.-.m%d", place, n, n)
				if place == "q.r.0" {
					subject = fmt.Sprintf("%s.-.-.m%d", place, n)
				}
				if header != "" {
					publishBytes(t, q, subject, header, body)
				} else {
					publishRaw(t, q, subject, body)
				}
			}
		}
		say("", strings.Repeat("x", most))
		say("", strings.Repeat("x", most-200))
		say("", strings.Repeat("x", most*4/5))
		say("", "")
		say("NATS/1.0\r\nStatus: 409\r\nDescription: Consumer Deleted\r\n\r\n", "")
		say("NATS/1.0\r\nStatus: 404\r\n\r\n", "")
		say("NATS/1.0\r\nno colon\r\n\r\n", "x")
		say("NATS/1.0\r\nTaskgen-Redriven: "+strings.Repeat("y", 60_000)+"\r\n\r\n", "")
		say("NATS/1.0\r\nTaskgen-Crashes: many\r\nNats-Sequence: 5\r\n\r\n", "x")
		if cfg.Type == driver.FIFO { // behind one that is served, and with one behind it
			publishRaw(t, q, "q.a.h.line.-.first", `{"v":1,"id":"first","type":"t","queue":"f","payload":1,"group_key":"line"}`)
			publishRaw(t, q, "q.l.0.line.-.second", strings.Repeat("x", most))
			publishRaw(t, q, "q.l.0.line.-.third", `{"v":1,"id":"third","type":"t","queue":"f","payload":1,"group_key":"line"}`)
			n++
			for _, id := range []string{"first", "third"} {
				d := take(t, q, 1, 10*time.Second)
				assert.Equal(t, id, d[0].Task.ID)
				require.NoError(t, q.Complete(within(t), d))
			}
		}
		put(t, q, newTask(q, "good"))
		d := take(t, q, 1, 10*time.Second)
		assert.Equal(t, "good", d[0].Task.ID, "it is kept back by nobody")
		require.NoError(t, q.Complete(within(t), d))
		q.housekeeping.Lock()
		q.lastMisaddressedSearch = time.Time{}
		q.housekeeping.Unlock()
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			ds, _ := q.Dequeue(ctx, 1, time.Second)
			st, err := q.Stats(within(t))
			return err == nil && len(ds) == 0 && st.Dead == int64(n) && st.Ready+st.Leased+st.Scheduled == 0
		}, 2*soon, 10*time.Millisecond, "%s", cfg.Type)

		all, _, err := q.Browse(within(t), driver.Dead, "", n+1)
		require.NoError(t, err)
		require.Len(t, all, n)
		cut := 0
		for _, task := range all {
			assert.Equal(t, driver.UndecodableType, task.Type)
			if strings.Contains(task.Metadata[driver.MetaFailureReason], "(cut: the message had ") {
				cut++
			}
		}
		whole := 0
		for after := uint64(0); ; {
			page, _, err := q.requester.page(within(t), q.deadQueue().names.stream, ">", after+1, batchSize)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, m := range page {
				after = m.seq
				if len(m.data) == most-200 || len(m.data) == most*4/5 {
					whole++ // as it was, not in base64
				}
			}
		}
		assert.Positive(t, cut)
		assert.Equal(t, 2*len(places), whole)
	}
}

// TestATaskNearTheLimitIsRetriedAndDies has an envelope of another program leave no
// room for the history of its failures.
func TestATaskNearTheLimitIsRetriedAndDies(t *testing.T) {
	t.Parallel()
	p := open(t, own(t, config("max_payload: 64KB")).URL)
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO} {
		for _, left := range []int{1, 200, 2000} {
			t.Run(fmt.Sprint(kind, left), func(t *testing.T) {
				t.Parallel()
				nearTheLimit(t, p, driver.QueueConfig{Name: fmt.Sprint(kind, left), Type: kind, Visibility: 10 * time.Second}, left)
			})
		}
	}
}

func nearTheLimit(t *testing.T, p *Provider, cfg driver.QueueConfig, left int) {
	q := openQueue(t, p, cfg)
	place := "q.r.0.-.-.big"
	if cfg.Type == driver.FIFO {
		place = "q.a.h.g.-.big"
	}
	head := `{"v":1,"id":"big","type":"t","queue":"q","group_key":"g","payload":"`
	most := int(q.p.js.Conn().MaxPayload())
	body := head + strings.Repeat("y", most-len(head)-2-left) + `"}`
	publishRaw(t, q, place, body)
	for attempt := 1; attempt <= 3; attempt++ {
		d := take(t, q, 1, 10*time.Second)[0]
		d.Task.RetryCount++
		driver.RecordAttempt(d.Task, attempt, "worker", time.Now(), time.Second, fmt.Errorf("no: %s", strings.Repeat("z", 400)))
		d.Delay = time.Duration(attempt%2) * time.Millisecond
		require.NoError(t, q.Release(within(t), []*driver.Delivery{d}), "%d left", left)
	}
	d := take(t, q, 1, 10*time.Second)[0]
	driver.RecordDeath(d.Task, "q", time.Now(), assert.AnError)
	require.NoError(t, q.DeadLetter(within(t), []*driver.Delivery{d}))
	counts(t, q, driver.Stats{Dead: 1})
	all, _, err := q.Browse(within(t), driver.Dead, "", 10)
	require.NoError(t, err)
	require.Len(t, all, 1)
	if left != 200 { // the envelope takes all the room
		assert.Contains(t, all[0].Metadata[driver.MetaFailureReason], assert.AnError.Error()[:20])
	}
	moved, err := q.Redrive(within(t), nil)
	if left < 500 {
		require.ErrorIs(t, err, driver.ErrPayloadTooLarge)
	} else {
		require.NoError(t, err)
		assert.Equal(t, "big", all[0].ID)
		assert.Equal(t, []string{"big"}, moved)
		assert.Equal(t, "big", take(t, q, 1, time.Second)[0].Task.ID)
	}
}

func TestABurialThatFailsIsTriedAgainAndStopsNobody(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{Visibility: time.Second})
	st, err := q.p.js.Stream(within(t), q.deadQueue().names.stream)
	require.NoError(t, err)
	cfg := st.CachedInfo().Config
	cfg.MaxMsgSize = 1000
	_, err = q.p.js.UpdateStream(within(t), cfg)
	require.NoError(t, err)
	publishRaw(t, q, "q.r.0.-.-.x", strings.Repeat("x", 2000))
	for i := range 5 {
		put(t, q, newTask(q, fmt.Sprint(i)))
		d := take(t, q, 1, 10*time.Second)
		assert.Equal(t, fmt.Sprint(i), d[0].Task.ID)
		require.NoError(t, q.Complete(within(t), d))
	}
	cfg.MaxMsgSize = -1
	_, err = q.p.js.UpdateStream(within(t), cfg)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		nothing(t, q, 100*time.Millisecond)
		st, err := q.Stats(within(t))
		return err == nil && st.Dead == 1 && st.Leased == 0
	}, soon, 10*time.Millisecond)
}

func TestARedrivenMessageThatNobodyDecodesIsWhatItWas(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	publishRaw(t, q, "q.r.0.-.-.x", "no envelope")
	nothing(t, q, 100*time.Millisecond)
	counts(t, q, driver.Stats{Dead: 1})
	moved, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"x"}, moved)
	page, _, err := q.requester.page(within(t), q.names.stream, ">", 1, 10)
	require.NoError(t, err)
	require.Len(t, page, 1)
	assert.Equal(t, "no envelope", string(page[0].data))
}

func TestAMessageInTheGuiseOfAStatusIsADelivery(t *testing.T) {
	p := &pull{open: 1}
	m := &nats.Msg{Reply: "$JS.ACK.s.c.1.7.7.1700000000000000000.0", Header: nats.Header{"Status": {"409"}}, Sub: new(nats.Subscription)}
	p.accept(m, true, 10)
	assert.Len(t, p.got, 1)
	require.NoError(t, p.err)
}

// A message that takes longer to be buried than any fetch waits is buried at once, and
// not tried again with each of its leases.
func TestABurialOutlastsTheFetchThatFoundIt(t *testing.T) {
	t.Parallel()
	s := own(t)
	direct := openQueue(t, open(t, s.URL), driver.QueueConfig{Visibility: 5 * time.Minute})
	for i, subject := range []string{"q.r.0.-.-.garbage", "wrong.garbage"} {
		require.NoError(t, direct.requester.nc.Publish(direct.root+subject, []byte(strings.Repeat("x", 600_000))))
		require.NoError(t, direct.requester.nc.Flush())
		g := newGateway(t, s.URL, 0)
		g.up.Store(200_000)
		q := openQueue(t, open(t, g.url()), driver.QueueConfig{Visibility: 5 * time.Minute})
		for end := time.Now().Add(2 * soon); ; {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			ds, err := q.Dequeue(ctx, 1, 5*time.Minute)
			cancel()
			require.Empty(t, ds)
			require.True(t, err == nil || errors.Is(err, driver.ErrNoTasks) || errors.Is(err, context.DeadlineExceeded), "%v", err)
			stats, err := direct.Stats(within(t))
			require.NoError(t, err)
			if stats.Dead == int64(i+1) && stats.Ready+stats.Leased == 0 {
				break
			}
			require.True(t, time.Now().Before(end), subject)
		}
	}
}

// What builds before this one buried has the same subject, and the reason in their words.
func TestWhatEarlierBuildsBuriedIsListedFoundAndDiscarded(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	want := map[string]string{ // by token
		"x":                                "x",
		"undecodable=2e-=2e-=2ex":          "undecodable.-.-.x", // it was redriven, and died again
		token(strings.Repeat("long ", 50)): token(strings.Repeat("long ", 50)),
	}
	var rs []*request
	for token := range want {
		rs = append(rs, publish(q.deadQueue().at(placeReady+originPartition("q"), tail(none, none, token)), []byte("no envelope"), guard{}, nats.Header{
			headerReason: {"taskgen: invalid task: its message cannot be decoded: why"}, headerDied: {"2026-03-01T10:00:00Z"}, headerOrigin: {"q"},
		}))
	}
	require.NoError(t, q.requester.roundTrip(within(t), rs, nil))
	counts(t, q, driver.Stats{Dead: int64(len(want))})
	page, _, err := q.Browse(within(t), driver.Dead, "", 10)
	require.NoError(t, err)
	ids := make([]string, len(page))
	for i, task := range page {
		ids[i] = task.ID
		assert.Equal(t, "taskgen: invalid task: its message cannot be decoded: why", task.Metadata[driver.MetaFailureReason])
		found, err := q.Find(within(t), task.ID)
		require.NoError(t, err)
		require.Len(t, found, 1, task.ID)
		assert.Equal(t, driver.DeathOf(task), driver.DeathOf(found[0].Task))
	}
	assert.ElementsMatch(t, slices.Collect(maps.Values(want)), ids)
	gone, err := q.Discard(within(t), ids)
	require.NoError(t, err)
	assert.ElementsMatch(t, ids, gone)
	counts(t, q, driver.Stats{})
}

func TestTheTextOfAnotherTasksTokenIsNotThatTasksID(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	long := newTask(q, strings.Repeat("long ", 50))
	put(t, q, long)
	d := take(t, q, 1, time.Minute)[0]
	driver.RecordDeath(d.Task, "q", time.Now(), assert.AnError)
	require.NoError(t, q.DeadLetter(within(t), []*driver.Delivery{d}))
	gone, err := q.Discard(within(t), []string{token(long.ID)})
	require.NoError(t, err)
	assert.Empty(t, gone)
	gone, err = q.Discard(within(t), []string{long.ID})
	require.NoError(t, err)
	assert.Equal(t, []string{long.ID}, gone)
}
