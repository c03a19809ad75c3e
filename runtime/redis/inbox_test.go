package redis

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// push puts values into the inbox of a queue, as a program in another language does.
func push(t testing.TB, q *queue, values ...any) {
	t.Helper()
	key := "{" + q.p.prefix + ":" + q.cfg.Name + "}:inbox"
	require.NoError(t, admin(t, sharedURL(t)).RPush(within(t), key, values...).Err())
}

func envelope(id, more string) string {
	return `{"v": 1, "id": "` + id + `", "type": "mail", "queue": "elsewhere", "payload": {}` + more + `}`
}

// inbox is how many values are in the inbox.
func inbox(t testing.TB, q *queue) int64 {
	t.Helper()
	n, err := admin(t, sharedURL(t)).LLen(within(t), q.keyspace.key(keyInbox)).Result()
	require.NoError(t, err)
	return n
}

func ids(ds []*driver.Delivery) (all []string) {
	for _, d := range ds {
		all = append(all, d.Task.ID)
	}
	return all
}

func TestAnEnvelopeInTheInboxIsATaskAsAnyOther(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{})
	at := time.Now().Add(time.Hour)
	push(t, q,
		envelope("plain", ""),
		envelope("later", `,"scheduled_for":"`+at.Format(time.RFC3339Nano)+`"`),
		envelope("first", `,"unique_key":"k"`),
		envelope("second", `,"unique_key":"k"`),
		envelope("plain", ""),
	)
	ds := take(t, q, 2)
	assert.Equal(t, []string{"plain", "first"}, ids(ds))
	assert.Equal(t, q.cfg.Name, ds[0].Task.Queue)
	assert.EqualValues(t, 1, stats(t, q).Scheduled)
	assert.Zero(t, inbox(t, q))

	holder := task("third")
	holder.UniqueKey = "k"
	assert.Equal(t, "first", enqueue(t, q, holder)[0].ID, "the key is held by the one from the inbox")
	require.NoError(t, q.Complete(within(t), ds))
	assert.Equal(t, "third", enqueue(t, q, holder)[0].ID)
}

func TestTheInboxKeepsLevelsAndTheOrderOfGroups(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{Name: "levels", Type: driver.Priority, Levels: 3})
	push(t, q, envelope("low", ""), envelope("high", `,"priority":2`))
	assert.Equal(t, []string{"high", "low"}, ids(take(t, q, 2)))

	q = openQueue(t, p, driver.QueueConfig{Name: "groups", Type: driver.FIFO})
	for i := range 3 {
		push(t, q, envelope("a"+strconv.Itoa(i), `,"group_key":"a"`), envelope("b"+strconv.Itoa(i), `,"group_key":"b"`))
	}
	for i := range 3 {
		ds := take(t, q, 2)
		assert.Equal(t, []string{fmt.Sprint("a", i), fmt.Sprint("b", i)}, ids(ds))
		require.NoError(t, q.Complete(within(t), ds))
	}
}

func TestWhatIsNoTaskInTheInboxIsBuriedAsItIs(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{})
	dead := openQueue(t, p, driver.QueueConfig{Name: q.cfg.DLQ})
	noLevel := envelope("high", `,"priority":7`)
	push(t, q, "garbage \x00\xff", noLevel, envelope("good", ""))
	assert.Equal(t, []string{"good"}, ids(take(t, q, 1)))
	bodies := map[string]string{}
	for _, d := range take(t, dead, 2) {
		body, err := base64.StdEncoding.DecodeString(string(d.Task.Payload[1 : len(d.Task.Payload)-1]))
		require.NoError(t, err)
		bodies[string(body)] = fmt.Sprint(d.Task.Metadata)
	}
	assert.Contains(t, bodies, "garbage \x00\xff")
	assert.Contains(t, bodies[noLevel], "priority")
}

func TestAListingShowsWhatIsNoTaskAsItIsBuried(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{})
	push(t, q, envelope("high", `,"priority":7`))
	values, err := q.readInbox(within(t))
	require.NoError(t, err)
	_, err = q.enqueueFromInbox(within(t), values)
	require.NoError(t, err)
	listed, _, err := q.Browse(within(t), driver.Ready, "", 10)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	ctx, cancel := context.WithCancel(within(t))
	_, err = q.Dequeue(driver.HearBuried(ctx, func(*driver.Task) { cancel() }), 1, time.Minute)
	require.ErrorIs(t, err, driver.ErrNoTasks)
	buried, _, err := q.Browse(within(t), driver.Dead, "", 10)
	require.NoError(t, err)
	require.Len(t, buried, 1)
	assert.Equal(t, driver.DeathOf(buried[0]), driver.DeathOf(listed[0]))
	assert.Equal(t, buried[0].Metadata[driver.MetaFailureReason], listed[0].Metadata[driver.MetaFailureReason])
}

func TestTheInboxKeepsWhatTheQueueHasNoRoomFor(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{Capacity: 2})
	push(t, q, envelope("a", ""), envelope("b", ""), envelope("c", ""), envelope("d", ""))
	ds := take(t, q, 2)
	assert.Equal(t, []string{"a", "b"}, ids(ds))
	assert.EqualValues(t, 2, inbox(t, q))
	require.NoError(t, q.Complete(within(t), ds))
	assert.Equal(t, []string{"c", "d"}, ids(take(t, q, 2)))
	assert.Zero(t, inbox(t, q))
}

func TestWhatIsInTheInboxCountsAndIsPurged(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := q.Dequeue(ctx, 1, time.Minute) // the inbox was empty a moment ago
	require.ErrorIs(t, err, driver.ErrNoTasks)
	push(t, q, envelope("old", `,"created_at":"2020-01-01T00:00:00Z"`), "garbage")
	enqueue(t, q, task("ours"))
	s := stats(t, q)
	assert.EqualValues(t, 3, s.Ready)
	assert.Greater(t, s.OldestAge, 24*time.Hour)
	n, err := q.Purge(within(t))
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	assert.Zero(t, stats(t, q).Ready)
	assert.Zero(t, inbox(t, q))
}

// Two workers may read the same values, and one of them be late.
func TestAnEnvelopeThatTwoHaveReadIsTakenOnce(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{})
	push(t, q, envelope("a", ""), envelope("b", ""))
	late, err := q.readInbox(within(t))
	require.NoError(t, err)
	require.Len(t, late, 2)
	push(t, q, envelope("c", ""))
	ds := take(t, q, 3)
	assert.Equal(t, []string{"a", "b", "c"}, ids(ds))
	require.NoError(t, q.Complete(within(t), ds))
	more, err := q.enqueueFromInbox(within(t), late)
	require.NoError(t, err)
	assert.True(t, more)
	assert.Zero(t, stats(t, q).Ready, "tasks came back")
}

// A backlog is taken in a script at a time, whatever its size in bytes.
func TestABacklogInTheInboxIsTakenInOrder(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{})
	var (
		want   []string
		values []any
	)
	for i := range 2*maxScriptTasks + 10 {
		want = append(want, fmt.Sprintf("t%04d", i))
		values = append(values, envelope(want[i], `,"metadata":{"m":"`+strings.Repeat("x", 4000)+`"}`))
	}
	push(t, q, values...)
	var got []string
	for len(got) < len(want) {
		ds := take(t, q, 1)
		got = append(got, ds[0].Task.ID)
		require.NoError(t, q.Complete(within(t), ds))
	}
	assert.Equal(t, want, got)
	assert.Zero(t, inbox(t, q))
}

func TestAProducerNeedsNoMorePermissionThanTheDocumentSays(t *testing.T) {
	s := own(t)
	p, c := open(t, s.URL), admin(t, s.URL)
	q := openQueue(t, p, driver.QueueConfig{})
	require.NoError(t, c.Do(within(t), "ACL", "SETUSER", "producer", "on", ">secret", "~{taskgen:*}:inbox", "+rpush").Err())
	producer := admin(t, strings.Replace(s.URL, "redis://", "redis://producer:secret@", 1))
	require.NoError(t, producer.RPush(within(t), "{taskgen:q}:inbox", envelope("a", "")).Err())
	require.Error(t, producer.RPush(within(t), "{taskgen:q}:wake", "1").Err())
	assert.Equal(t, []string{"a"}, ids(take(t, q, 1)))
}
