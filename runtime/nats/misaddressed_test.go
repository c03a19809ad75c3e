package nats

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// publishRaw publishes as a program without taskgen does.
func publishRaw(t testing.TB, q *queue, subject string, data string) {
	t.Helper()
	_, err := q.p.js.PublishMsg(within(t), &nats.Msg{Subject: q.root + subject, Data: []byte(data)})
	require.NoError(t, err)
}

func TestWhatIsPublishedToASubjectForNoTaskIsEnqueuedOrBuried(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority, Levels: 2}} {
		q := openQueue(t, openShared(t), cfg)
		group := ""
		if cfg.Type == driver.FIFO {
			group = `,"group_key":"g"`
		}
		envelope := func(id, more string) string {
			return `{"v":1,"id":"` + id + `","type":"t","queue":"q","payload":{"n":1},"created_at":"2026-11-29T14:00:00Z"` + group + more + `}`
		}
		publishRaw(t, q, "hello", envelope("a1", ""))
		publishRaw(t, q, "q.r.9.-.-.a2", envelope("a2", "")) // a level that the queue has not
		publishRaw(t, q, "q.r.9.-.k.a3", envelope("a3", `,"unique_key":"k"`))
		publishRaw(t, q, "q.r.9.-.w.a4", envelope("a4", `,"unique_key":"w","unique_for_ms":60000`))
		publishRaw(t, q, "later", envelope("a5", `,"scheduled_for":"2099-01-01T00:00:00Z"`))
		publishRaw(t, q, "hello", "no envelope")
		publishRaw(t, q, "hello.again", "")
		want := []string{"a1", "a2", "a3", "a4"}
		if cfg.Type != driver.FIFO {
			publishRaw(t, q, "q.r.0.hello", envelope("a6", "")) // served, and too short
			publishRaw(t, q, "q.r.0", "no envelope")
			want = append(want, "a6")
		}
		var got []string
		for range want {
			d := take(t, q, 1, time.Minute)[0]
			got = append(got, d.Task.ID)
			require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
		}
		assert.ElementsMatch(t, want, got)
		dead := int64(2)
		if cfg.Type != driver.FIFO {
			dead = 3
		}
		counts(t, q, driver.Stats{Scheduled: 1, Dead: dead})
		gone, err := q.Cancel(within(t), []string{"a5"})
		require.NoError(t, err)
		assert.Len(t, gone, 1)
		_, missing, err := q.missing(within(t))
		require.NoError(t, err)
		assert.Zero(t, missing)
	}
}

// TestOtherProgramsEnqueue publishes as docs/envelope.md says.
func TestOtherProgramsEnqueue(t *testing.T) {
	t.Parallel()
	for _, bounded := range []bool{false, true} {
		for _, of := range []struct {
			cfg                  driver.QueueConfig
			ready, target, later string
			more                 string
		}{
			{driver.QueueConfig{}, "q.r.0.-.k.a=2e1", "q.r.0.-.-.a2", "d.s.0.-.-.a2", ""},
			{driver.QueueConfig{Type: driver.Priority, Levels: 3}, "q.r.2.-.k.a=2e1", "q.r.2.-.-.a2", "d.s.2.-.-.a2", `,"priority":2`},
			{driver.QueueConfig{Type: driver.FIFO}, "d.j.0.g.k.a=2e1", "d.j.0.g.-.a2", "d.s.0.g.-.a2", `,"group_key":"g"`},
		} {
			p := openShared(t)
			if bounded {
				p = openBounded(t, 10<<20)
			}
			q := openQueue(t, p, of.cfg)
			due := time.Now().Add(2 * time.Second).UTC()
			ready := &nats.Msg{Subject: q.root + of.ready, Data: []byte(`{"v":1,"id":"a.1","type":"t","queue":"q","payload":1,"unique_key":"k"` + of.more + `}`)}
			_, err := p.js.PublishMsg(within(t), ready)
			require.NoError(t, err)
			later := nats.NewMsg(q.root + of.later)
			later.Data = []byte(`{"v":1,"id":"a2","type":"t","queue":"q","payload":1,"scheduled_for":"` + due.Format(time.RFC3339Nano) + `"` + of.more + `}`)
			if !bounded {
				later.Header.Set("Nats-Schedule", "@at "+due.Format(time.RFC3339Nano))
				later.Header.Set("Nats-Schedule-Target", q.root+of.target)
			}
			_, err = p.js.PublishMsg(within(t), later)
			require.NoError(t, err)
			ds := take(t, q, 1, time.Minute)
			assert.Equal(t, "a.1", ds[0].Task.ID)
			assert.True(t, put(t, q, newTask(q, "b", func(t *driver.Task) { t.UniqueKey = "k" }))[0].Duplicate)
			require.NoError(t, q.Complete(within(t), ds))
			ds = take(t, q, 1, time.Minute)
			assert.Equal(t, "a2", ds[0].Task.ID)
			assert.False(t, time.Now().Before(due), "it came early")
			require.NoError(t, q.Complete(within(t), ds))
			counts(t, q, driver.Stats{})
		}
	}
}

func TestAnAnswerOfAnotherDomainIsNone(t *testing.T) {
	w := &requester{domain: "hub"}
	assert.False(t, w.fromOtherDomain([]byte(`{"stream":"s","seq":1,"domain":"hub"}`)))
	assert.True(t, w.fromOtherDomain([]byte(`{"stream":"s","seq":1,"domain":"leaf"}`)))
	assert.True(t, w.fromOtherDomain([]byte(`{"stream":"s","seq":1}`)))
	assert.False(t, w.fromOtherDomain([]byte(`{"error":{"code":400},"stream":"s","seq":0}`)))
	assert.False(t, (&requester{}).fromOtherDomain([]byte(`{"stream":"s","seq":1,"domain":"leaf"}`)))
}

func TestDeadLettersOfAQueueThatIsOpenedLaterAreNotMisaddressed(t *testing.T) {
	t.Parallel()
	p := openShared(t)
	a := openQueue(t, p, driver.QueueConfig{Name: "a", DLQ: "graves"})
	deadQueue := openQueue(t, p, driver.QueueConfig{Name: "graves"})
	s, err := shared()
	require.NoError(t, err)
	b := openQueue(t, open(t, s.URL, WithPrefix(p.prefix)), driver.QueueConfig{Name: "b", DLQ: "graves"})
	for _, q := range []*queue{a, b} {
		put(t, q, newTask(q, "x"))
		ds := take(t, q, 1, time.Minute)
		driver.RecordDeath(ds[0].Task, q.cfg.Name, time.Now(), assert.AnError)
		require.NoError(t, q.DeadLetter(within(t), ds))
	}
	publishRaw(t, deadQueue, "hello", "no envelope")
	require.NoError(t, deadQueue.handleMisaddressed(within(t)))
	counts(t, a, driver.Stats{Dead: 1})
	counts(t, b, driver.Stats{Dead: 1})
	counts(t, deadQueue, driver.Stats{Ready: 3})
}
