package memory

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestOpenRefusesWhatDoesNotFit(t *testing.T) {
	p := New()
	defer p.Close()
	openOn(t, p, driver.QueueConfig{Name: "jobs"})
	openOn(t, p, driver.QueueConfig{Name: "alerts", Type: driver.Priority, Levels: 3})
	for name, c := range map[string]struct {
		cfg  driver.QueueConfig
		want error
	}{
		"no name":                       {driver.QueueConfig{}, driver.ErrInvalidQueue},
		"another type":                  {driver.QueueConfig{Name: "jobs", Type: driver.FIFO}, driver.ErrQueueMismatch},
		"another dead letter queue":     {driver.QueueConfig{Name: "jobs", DLQ: "graves"}, driver.ErrQueueMismatch},
		"other levels":                  {driver.QueueConfig{Name: "alerts", Type: driver.Priority}, driver.ErrQueueMismatch},
		"a queue as dead letter queue":  {driver.QueueConfig{Name: "mail", DLQ: "jobs"}, driver.ErrQueueMismatch},
		"more levels than can be":       {driver.QueueConfig{Name: "x", Type: driver.Priority, Levels: 1001}, driver.ErrUnsupported},
		"a dead letter queue with type": {driver.QueueConfig{Name: "jobs-dlq", Type: driver.FIFO}, driver.ErrQueueMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Open(t.Context(), c.cfg)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestStoredTasksAreCopies(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	tk := task("a")
	tk.Metadata = map[string]string{"k": "v"}
	want := tk.Clone()
	enqueue(t, q, tk)
	tk.Payload[0], tk.Metadata["k"], tk.Type = 'X', "changed", "changed"

	first := dequeue(t, q, 1)[0]
	require.Equal(t, want, first.Task)
	first.Task.Metadata["k"], first.Task.Type = "changed again", "changed"
	first.Task.RetryCount = 0
	require.NoError(t, q.Extend(t.Context(), []*driver.Delivery{first}, 1)) // the lease ends at once
	second := dequeue(t, q, 1)[0]
	require.Equal(t, want, second.Task)
	require.Equal(t, 1, second.Crashes)

	second.Task.Metadata["k"] = "kept"
	require.NoError(t, q.Release(t.Context(), []*driver.Delivery{second}))
	second.Task.Metadata["k"] = "too late"
	third := dequeue(t, q, 1)[0]
	require.Equal(t, "kept", third.Task.Metadata["k"])
	require.Equal(t, 1, third.Crashes, "a release is no crash")
}

func TestEveryFieldOfATaskArrives(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	tk := task("a")
	v := reflect.ValueOf(tk).Elem()
	for i := range v.NumField() {
		switch f := v.Type().Field(i); {
		case !f.IsExported(), f.Name == "Priority", f.Name == "GroupKey": // not on this queue
		case !v.Field(i).IsZero():
		case f.Name == "Shape":
			tk.Shape = "0123456789ab"
		case f.Type.Kind() == reflect.String:
			v.Field(i).SetString(f.Name)
		case v.Field(i).CanInt():
			v.Field(i).SetInt(int64(i))
		case f.Name == "Metadata":
			tk.Metadata = map[string]string{"k": "v"}
		case f.Name == "ScheduledFor":
			tk.ScheduledFor = tk.CreatedAt.Add(-time.Second)
		default:
			t.Fatalf("say what to put into %s", f.Name)
		}
	}
	enqueue(t, q, tk)
	require.Equal(t, tk, dequeue(t, q, 1)[0].Task)
}

func TestAReceiptOfAnotherQueueChangesNothing(t *testing.T) {
	p := New()
	defer p.Close()
	one := openOn(t, p, driver.QueueConfig{Name: "one"})
	other := openOn(t, p, driver.QueueConfig{Name: "other"})
	enqueue(t, one, task("a"))
	enqueue(t, other, task("a"))
	mine, theirs := dequeue(t, one, 1), dequeue(t, other, 1)
	require.ErrorIs(t, one.Complete(t.Context(), theirs), driver.ErrLeaseLost)
	require.NoError(t, one.Complete(t.Context(), mine))
}

func TestAMalformedReceiptIsALostLease(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	enqueue(t, q, task("a"))
	d := dequeue(t, q, 1)[0]
	good := d.Receipt
	for _, r := range []driver.Receipt{
		"", "x", good[1:], good + "0", driver.Receipt(strings.ToUpper(string(good[:23]))) + "G",
		driver.Receipt("ffffffff") + good[8:], "0000003f" + good[8:],
	} {
		d.Receipt = r
		err := q.Complete(t.Context(), []*driver.Delivery{d})
		require.ErrorIs(t, driver.ErrorAt(err, 0), driver.ErrLeaseLost, "%q", r)
	}
	d.Receipt = good
	require.NoError(t, q.Complete(t.Context(), []*driver.Delivery{d}))
	require.ErrorIs(t, q.Complete(t.Context(), []*driver.Delivery{d}), driver.ErrLeaseLost)
}

func TestReceiptsSurviveTheirText(t *testing.T) {
	for _, c := range []struct {
		slot  uint32
		token uint64
	}{{0, 0}, {1, 2}, {math.MaxUint32, math.MaxUint64}, {0x01234567, 0x89abcdef01234567}} {
		var text strings.Builder
		writeReceipt(&text, c.slot, c.token)
		slot, token, ok := parseReceipt(driver.Receipt(text.String()))
		require.True(t, ok)
		require.Equal(t, c.slot, slot)
		require.Equal(t, c.token, token)
	}
}

func TestTheFarFutureIsNeverDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, driver.QueueConfig{Name: "jobs"})
		far := task("far")
		far.ScheduledFor = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		past := task("past")
		past.ScheduledFor = time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC)
		answers := enqueue(t, q, far, past)
		require.Equal(t, far.ScheduledFor, answers[0].DueAt)
		require.Equal(t, time.Now(), answers[1].DueAt, "what is past is due now")
		ds, err := q.Dequeue(t.Context(), 10, math.MaxInt64)
		require.NoError(t, err)
		require.Equal(t, []string{"past"}, idsOf(ds))
		ds[0].Delay = math.MaxInt64
		require.NoError(t, q.Extend(t.Context(), ds, math.MaxInt64))
		require.NoError(t, q.Release(t.Context(), ds))
		time.Sleep(1000 * time.Hour)
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, driver.Stats{Scheduled: 2}, stats)
	})
}

func TestAFullQueueTakesWhatFits(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs", Capacity: 2})
	answers, err := q.Enqueue(t.Context(), []*driver.Task{task("a"), task("b"), task("c")})
	require.NoError(t, driver.ErrorAt(err, 1))
	require.ErrorIs(t, driver.ErrorAt(err, 2), driver.ErrQueueFull)
	require.Equal(t, "b", answers[1].ID)
	require.Zero(t, answers[2])
	require.NoError(t, q.Complete(t.Context(), dequeue(t, q, 1)))
	enqueue(t, q, task("c"))
}

func TestWhatAQueueCannotTakeIsRefusedItemByItem(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	grouped, anonymous, negative, urgent := task("grouped"), task(""), task("negative"), task("urgent")
	grouped.GroupKey, negative.Priority, urgent.Priority = "g", -1, 1
	_, err := q.Enqueue(t.Context(), []*driver.Task{grouped, task("good"), anonymous, negative, urgent, nil})
	for _, i := range []int{0, 2, 3, 4, 5} {
		require.ErrorIs(t, driver.ErrorAt(err, i), driver.ErrInvalidTask)
	}
	require.NoError(t, driver.ErrorAt(err, 1))
	require.Equal(t, []string{"good"}, idsOf(dequeue(t, q, 10)))
}

func TestBrowseGivesNoSenseToAStrangeCursorOrState(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	_, _, err := q.Browse(t.Context(), driver.Ready, "next please", 1)
	require.ErrorContains(t, err, "not a cursor")
	_, _, err = q.Browse(t.Context(), "lost", "", 1)
	require.ErrorIs(t, err, driver.ErrUnsupported)
	_, _, err = q.Browse(t.Context(), driver.Ready, "", 0)
	require.ErrorContains(t, err, "at least 1")
}

func TestBrowsePagesThroughManyScheduledTasks(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	const n = 2_000
	batch := make([]*driver.Task, n)
	for i := range batch {
		batch[i] = task(fmt.Sprint(i * 7919 % n)) // each number once, in disorder
		batch[i].ScheduledFor = batch[i].CreatedAt.Add(time.Hour + time.Duration(i*7919%n)*time.Second)
	}
	enqueue(t, q, batch...)
	next, cursor := 0, ""
	for {
		tasks, after, err := q.Browse(t.Context(), driver.Scheduled, cursor, 150)
		require.NoError(t, err)
		for _, tk := range tasks {
			require.Equal(t, fmt.Sprint(next), tk.ID)
			next++
		}
		if cursor = after; cursor == "" {
			break
		}
	}
	require.Equal(t, n, next)
}

func TestPausedSaysSo(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	says := func(want driver.Pause) {
		t.Helper()
		got, err := q.Paused(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	require.NoError(t, q.Pause(t.Context(), time.Time{}))
	says(driver.Pause{Paused: true})
	require.NoError(t, q.Resume(t.Context()))
	says(driver.Pause{})
}

func TestPayloadsOfABatchStayApart(t *testing.T) {
	q := open(t, driver.QueueConfig{Name: "jobs"})
	big, none := task("big"), task("none")
	big.Payload = []byte(`"` + strings.Repeat("x", 3*blockSize) + `"`)
	none.Payload, none.Encoding = nil, "sealed" // bytes of an encoding may be none
	tasks := []*driver.Task{task("a"), big, none, task("b")}
	for i := range 500 {
		tasks = append(tasks, task(fmt.Sprint(i)))
	}
	enqueue(t, q, tasks...)
	for i, d := range dequeue(t, q, len(tasks)) {
		require.Equal(t, tasks[i].Payload, d.Task.Payload)
		require.Equal(t, len(d.Task.Payload), cap(d.Task.Payload), "an append must not reach the neighbour")
	}
}
