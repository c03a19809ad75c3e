package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// These tests stop a provider between the steps of an operation, as a kill -9
// does, and let another find what it left.

// quick leases end soon after their worker is gone.
const quick = 300 * time.Millisecond

func newTask(q *queue, id string, change ...func(*driver.Task)) *driver.Task {
	t := &driver.Task{ID: id, Type: "work", Queue: q.cfg.Name, Payload: []byte(`{"n":1}`), CreatedAt: time.Now(), MaxRetries: 3}
	if q.kind == driver.FIFO {
		t.GroupKey = "g"
	}
	for _, f := range change {
		f(t)
	}
	return t
}

func put(t testing.TB, q *queue, tasks ...*driver.Task) []driver.Enqueued {
	t.Helper()
	answers, err := q.Enqueue(within(t), tasks)
	require.NoError(t, err)
	return answers
}

func take(t testing.TB, q *queue, n int, lease time.Duration) []*driver.Delivery {
	t.Helper()
	var all []*driver.Delivery
	for len(all) < n {
		ds, err := q.Dequeue(within(t), n-len(all), lease)
		require.NoError(t, err)
		all = append(all, ds...)
	}
	return all
}

func nothing(t testing.TB, q *queue, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	ds, err := q.Dequeue(ctx, 10, time.Minute)
	require.ErrorIs(t, err, driver.ErrNoTasks, "handed out: %v", ds)
}

// twins are a provider that will be stopped and one that looks after it.
func twins(t *testing.T, cfg driver.QueueConfig) (dying, other *queue, kill func()) {
	t.Helper()
	p := openShared(t)
	s, err := shared()
	require.NoError(t, err)
	second := open(t, s.URL, WithPrefix(p.prefix))
	return openQueue(t, p, cfg), openQueue(t, second, cfg), func() { p.js.Conn().Close() }
}

// heldBy returns the leases of deliveries.
func heldBy(q *queue, ds []*driver.Delivery) []*lease {
	q.held.mu.Lock()
	defer q.held.mu.Unlock()
	var ls []*lease
	for _, d := range ds {
		ls = append(ls, q.held.byReceipt[string(d.Receipt)])
	}
	return ls
}

func counts(t testing.TB, q *queue, want driver.Stats) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		st, err := q.Stats(within(t))
		require.NoError(c, err)
		st.OldestAge = 0
		assert.Equal(c, want, st)
	}, soon, 10*time.Millisecond)
}

func TestALeaseOutlivesTheProcessThatTookIt(t *testing.T) {
	t.Parallel()
	dying, other, kill := twins(t, driver.QueueConfig{Visibility: quick})
	put(t, dying, newTask(dying, "long"), newTask(dying, "short"))
	long := take(t, dying, 1, 4*time.Second)
	taken := time.Now()
	take(t, dying, 1, quick)
	kill()
	ds := take(t, other, 1, time.Minute)
	assert.Equal(t, "short", ds[0].Task.ID)
	assert.Equal(t, 1, ds[0].Crashes)
	ds = take(t, other, 1, time.Minute)
	assert.Equal(t, "long", ds[0].Task.ID)
	assert.GreaterOrEqual(t, time.Since(taken), 4*time.Second)
	assert.Equal(t, "long", long[0].Task.ID)
}

func TestAReleaseThatWasInterruptedLeavesOneTask(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		cfg.Visibility = quick
		dying, other, kill := twins(t, cfg)
		put(t, dying, newTask(dying, "a"))
		ds := take(t, dying, 1, quick)
		l := heldBy(dying, ds)[0]
		ds[0].Task.RetryCount = 2
		at := time.Now().Add(quick + 2*slack) // after the old message comes back
		copied := dying.delayed(l, driver.AppendEnvelope(nil, ds[0].Task), at)
		require.NoError(t, dying.requester.roundTrip(within(t), []*request{copied}, nil))
		kill()
		got := take(t, other, 1, time.Minute)
		assert.False(t, time.Now().Before(at), "the copy was handed out early, or the old one")
		assert.Equal(t, 2, got[0].Task.RetryCount)
		assert.Zero(t, got[0].Crashes)
		require.NoError(t, other.Complete(within(t), got))
		nothing(t, other, 2*slack)
		counts(t, other, driver.Stats{})
	}
}

// The copy is handed out, and done, while the lease of the old message lasts, which
// was not taken away.
func TestWhatACopyStandsInPlaceOfDoesNotOutliveIt(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		for name, write := range map[string]func(q *queue, l *lease) *request{
			"given back": func(q *queue, l *lease) *request {
				return publish(l.subject, l.data, q.replaceGuard(l), q.headerOf(l, 1))
			},
			"delayed": func(q *queue, l *lease) *request {
				return q.delayed(l, l.data, time.Now().Add(10*time.Millisecond))
			},
		} {
			dying, other, kill := twins(t, cfg)
			put(t, dying, newTask(dying, "a"))
			l := heldBy(dying, take(t, dying, 1, time.Minute))[0]
			r := write(dying, l)
			require.NoError(t, dying.requester.roundTrip(within(t), []*request{r}, nil))
			_, err := r.ack()
			require.NoError(t, err)
			kill()
			got := take(t, other, 1, time.Minute)
			assert.NotEqual(t, heldBy(other, got)[0].seq, l.seq)
			require.NoError(t, other.Complete(within(t), got), name)
			st, err := other.state(within(t))
			require.NoError(t, err)
			assert.Zero(t, st.Msgs, name)
		}
	}
}

// A server that stands still finds what a worker put back, and at once that its lease has
// ended: then both the message and its copy are handed out.
func TestWhatIsDoneStaysDoneThoughACopyCameWhenItWasHandedOutAgain(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		for name, settle := range map[string]func(q *queue, ds []*driver.Delivery) error{
			"complete": func(q *queue, ds []*driver.Delivery) error { return q.Complete(within(t), ds) },
			"bury":     func(q *queue, ds []*driver.Delivery) error { return q.DeadLetter(within(t), ds) },
		} {
			slow, other, kill := twins(t, cfg)
			put(t, slow, newTask(slow, "a"))
			l := heldBy(slow, take(t, slow, 1, time.Minute))[0]
			if cfg.Type == driver.FIFO {
				put(t, slow, newTask(slow, "b"))
			}
			require.NoError(t, slow.requester.roundTrip(within(t), []*request{l.nakRequest(time.Millisecond)}, nil))
			ds := take(t, other, 1, time.Minute)
			slow.giveBack(within(t), []*lease{l}, 1, nil) // its copy, and an ack that comes too late
			require.NoError(t, settle(other, ds), name)
			kill()
			if cfg.Type == driver.FIFO {
				got := take(t, other, 1, time.Minute)
				assert.Equal(t, "b", got[0].Task.ID, name)
				require.NoError(t, other.Complete(within(t), got))
			}
			st, err := other.state(within(t))
			require.NoError(t, err)
			assert.Zero(t, st.Msgs, name)
		}
	}
}

// A process stands still with a message that it has not read yet.
func TestADeliveryThatIsReadAfterItsLeaseIsNotWhatIsDone(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		still, other, _ := twins(t, cfg)
		put(t, still, newTask(still, "a"))
		consumers, _ := still.consumers()
		p, err := still.pull(within(t), still.closing.Done(), consumers, 1, true)
		require.NoError(t, err)
		require.Len(t, p.got, 1)
		require.NoError(t, other.Complete(within(t), take(t, other, 1, time.Minute)))
		ds, err := still.deliver(within(t), p, 1, quick)
		require.NoError(t, err)
		assert.Empty(t, ds)
	}
}

// A server that starts again counts leases from when their messages were stored.
func TestWhatAProcessHoldsIsNotHandedOutToItAgain(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		q := openQueue(t, openShared(t), cfg)
		put(t, q, newTask(q, "a"))
		ds := take(t, q, 1, time.Minute)
		require.NoError(t, q.requester.roundTrip(within(t), []*request{heldBy(q, ds)[0].nakRequest(time.Millisecond)}, nil))
		consumers, _ := q.consumers()
		p, err := q.pull(within(t), q.closing.Done(), consumers, 1, true)
		require.NoError(t, err)
		require.Len(t, p.got, 1)
		again, err := q.deliver(within(t), p, 1, time.Minute)
		require.NoError(t, err)
		assert.Empty(t, again)
		require.NoError(t, q.Complete(within(t), ds))
		counts(t, q, driver.Stats{})
	}
}

// What holds a task says so as soon as its connection is back, and a process that is held
// up for half a second then is too late.
func TestAServerThatStartsAgainHandsNothingOutThatAnotherProcessHolds(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		t.Run(string(cfg.Type), func(t *testing.T) {
			t.Parallel()
			for try := range 3 {
				cfg.Visibility = 5 * time.Second << try // time to start again
				s := own(t)
				q, other := openQueue(t, open(t, s.URL), cfg), openQueue(t, open(t, s.URL), cfg)
				put(t, q, newTask(q, "a"))
				<-time.After(cfg.Visibility + slack) // by the server's clock
				ds := take(t, q, 1, cfg.Visibility)
				require.NoError(t, s.Restart())
				ctx, cancel := context.WithDeadline(within(t), ds[0].LeaseUntil.Add(-slack))
				defer cancel()
				var again []*driver.Delivery
				for ctx.Err() == nil && len(again) == 0 {
					again, _ = other.Dequeue(ctx, 1, time.Minute)
				}
				if len(again) == 0 && q.Complete(within(t), ds) == nil {
					return
				}
				t.Log("it was handed out: again, for a machine that is busy")
			}
			require.Fail(t, "another process was handed it each time")
		})
	}
}

// The connection is lost when a message was pulled, and the server, which was killed,
// has delivered it to somebody else since.
func TestADeliveryThatIsReadAfterTheConnectionWasLostIsNotWhatIsDone(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		q, other, _ := twins(t, cfg)
		put(t, q, newTask(q, "a"))
		consumers, _ := q.consumers()
		p, err := q.pull(within(t), q.closing.Done(), consumers, 1, true)
		require.NoError(t, err)
		require.Len(t, p.got, 1)
		ls, _, _ := other.read(p.got)
		require.NoError(t, errors.Join(other.finish(within(t), ls)...))
		require.NoError(t, q.requester.nc.ForceReconnect())
		<-p.gone
		ds, err := q.deliver(within(t), p, 1, time.Minute)
		require.NoError(t, err)
		assert.Empty(t, ds)
	}
}

func TestABurialThatWasInterruptedIsFinished(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		cfg.Visibility = quick
		dying, other, kill := twins(t, cfg)
		put(t, dying, newTask(dying, "a"), newTask(dying, "b"))
		l := heldBy(dying, take(t, dying, 1, quick))[0]
		deadSubject := publish(dying.deadSubject(l), l.data, guard{}, nats.Header{headerMsgID: {dying.originID(l.seq, l.stored)}})
		require.NoError(t, dying.requester.roundTrip(within(t), []*request{deadSubject}, nil))
		kill()
		got := take(t, other, 1, time.Minute)
		assert.Equal(t, "b", got[0].Task.ID)
		require.NoError(t, other.Complete(within(t), got))
		if cfg.Type != driver.FIFO {
			nothing(t, other, quick+2*slack)
		}
		counts(t, other, driver.Stats{Dead: 1})
	}
}

// halfBuried leaves task a of a queue on its dead letter queue and, with a worker
// that is to be killed, on the queue.
func halfBuried(t *testing.T, q *queue) *lease {
	t.Helper()
	l := heldBy(q, take(t, q, 1, quick))[0]
	task, err := driver.DecodeEnvelope(l.data)
	require.NoError(t, err)
	require.Equal(t, "a", task.ID)
	driver.RecordDeath(task, q.cfg.Name, time.Now(), assert.AnError)
	deadSubject := publish(q.deadSubject(l), driver.AppendEnvelope(nil, task), guard{}, nats.Header{headerMsgID: {q.originID(l.seq, l.stored)}})
	require.NoError(t, q.requester.roundTrip(within(t), []*request{deadSubject}, nil))
	_, err = deadSubject.ack()
	require.NoError(t, err)
	return l
}

var bothTypes = []driver.QueueConfig{{Visibility: quick}, {Visibility: quick, Type: driver.FIFO}}

func TestARedriveOfABurialThatWasInterruptedLeavesOneTask(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		dying, other, kill := twins(t, cfg)
		put(t, dying, newTask(dying, "a"))
		halfBuried(t, dying)
		kill()
		moved, err := other.Redrive(within(t), nil)
		require.NoError(t, err)
		assert.Equal(t, []string{"a"}, moved)
		require.NoError(t, other.Complete(within(t), take(t, other, 1, time.Minute)))
		nothing(t, other, quick+2*slack)
		counts(t, other, driver.Stats{})
	}
}

func TestATaskRedrivenWhileItIsBuriedOutlivesTheEndOfItsBurial(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		burying, other, _ := twins(t, cfg)
		put(t, burying, newTask(burying, "a"))
		l := halfBuried(t, burying)
		_, err := other.Redrive(within(t), nil)
		require.NoError(t, err)
		burying.finish(within(t), []*lease{l})
		got := take(t, other, 1, time.Minute)
		assert.Equal(t, "a", got[0].Task.ID)
		require.NoError(t, other.Complete(within(t), got))
		counts(t, other, driver.Stats{})
	}
}

func TestATaskWhoseBurialWasInterruptedCanBeRedrivenAndBuriedAgain(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		dying, other, kill := twins(t, cfg)
		put(t, dying, newTask(dying, "a"), newTask(dying, "b", func(b *driver.Task) { b.ScheduledFor = time.Now().Add(time.Hour) }))
		halfBuried(t, dying)
		kill()
		for range 2 {
			_, err := other.Redrive(within(t), nil)
			require.NoError(t, err)
			got := take(t, other, 1, time.Minute)
			assert.Equal(t, "a", got[0].Task.ID)
			driver.RecordDeath(got[0].Task, "q", time.Now(), assert.AnError)
			require.NoError(t, other.DeadLetter(within(t), got))
			counts(t, other, driver.Stats{Scheduled: 1, Dead: 1})
		}
	}
}

func TestATaskThatDiedAgainAfterARedriveThatWasInterruptedIsRedrivenOnce(t *testing.T) {
	t.Parallel()
	for _, cfg := range bothTypes {
		dying, other, kill := twins(t, cfg)
		put(t, dying, newTask(dying, "a"))
		first := take(t, dying, 1, time.Minute)
		driver.RecordDeath(first[0].Task, "q", time.Now(), assert.AnError)
		require.NoError(t, dying.DeadLetter(within(t), first))
		var dead []*stored
		require.NoError(t, dying.eachDead(within(t), nil, func(page []*stored) error { dead = page; return nil }))
		require.Len(t, dead, 1)
		_, err := dying.Redrive(within(t), nil)
		require.NoError(t, err)
		// As if it had not been taken away; for lack of its old number, what comes
		// from it is told the new one.
		kill()
		again := publish(dead[0].subject, dead[0].data, guard{}, nil)
		require.NoError(t, other.requester.roundTrip(within(t), []*request{again}, nil))
		seq, err := again.ack()
		require.NoError(t, err)
		got := take(t, other, 1, time.Minute)
		l := heldBy(other, got)[0]
		require.Equal(t, other.deadQueue().originID(dead[0].seq, dead[0].at), l.headers.Get(headerRedriven))
		l.headers.Set(headerRedriven, other.deadQueue().originID(seq, time.Time{})) // as earlier builds write it
		driver.RecordDeath(got[0].Task, "q", time.Now(), assert.AnError)
		require.NoError(t, other.DeadLetter(within(t), got))
		counts(t, other, driver.Stats{Dead: 2})
		moved, err := other.Redrive(within(t), nil)
		require.NoError(t, err)
		assert.Equal(t, []string{"a"}, moved)
		counts(t, other, driver.Stats{Ready: 1})
	}
}

func TestARedriveThatComesTooLateIsNoDuplicate(t *testing.T) {
	t.Parallel()
	slow, other, _ := twins(t, driver.QueueConfig{})
	put(t, slow, newTask(slow, "a"))
	var page []*stored
	for range 2 {
		got := take(t, other, 1, time.Minute)
		driver.RecordDeath(got[0].Task, "q", time.Now(), assert.AnError)
		require.NoError(t, other.DeadLetter(within(t), got))
		if page == nil {
			require.NoError(t, slow.eachDead(within(t), nil, func(found []*stored) error { page = found; return nil }))
			require.Len(t, page, 1)
		}
		_, err := other.Redrive(within(t), nil)
		require.NoError(t, err)
	}
	moved, failed, err := slow.redrive(within(t), page, nil)
	require.NoError(t, err)
	assert.Empty(t, moved)
	assert.Equal(t, []error{nil}, failed)
	counts(t, other, driver.Stats{Ready: 1})
}

func TestAGroupGoesOnWhenItsHalfBuriedHeadIsRedriven(t *testing.T) {
	t.Parallel()
	dying, other, kill := twins(t, driver.QueueConfig{Type: driver.FIFO, Visibility: quick})
	put(t, dying, newTask(dying, "a"), newTask(dying, "b"), newTask(dying, "c"))
	halfBuried(t, dying)
	kill()
	_, err := other.Redrive(within(t), nil)
	require.NoError(t, err)
	for _, want := range []string{"b", "c", "a"} {
		got := take(t, other, 1, time.Minute)
		assert.Equal(t, want, got[0].Task.ID)
		require.NoError(t, other.Complete(within(t), got))
	}
	nothing(t, other, quick+2*slack)
	counts(t, other, driver.Stats{})
}

func TestAGroupGoesOnThoughItsWorkerDiedBetweenTwoTasks(t *testing.T) {
	t.Parallel()
	dying, other, kill := twins(t, driver.QueueConfig{Type: driver.FIFO, Visibility: quick})
	put(t, dying, newTask(dying, "a"), newTask(dying, "b"), newTask(dying, "c"))
	ls := heldBy(dying, take(t, dying, 1, quick))
	again, _, err := dying.replaceHeadsOnce(within(t), ls, []int{0}, make([]error, 1))
	require.NoError(t, err)
	require.Empty(t, again)
	kill() // b is the head, and still among the followers; a is not taken away
	var got []string
	for range 2 {
		ds := take(t, other, 1, time.Minute)
		got = append(got, ds[0].Task.ID)
		require.NoError(t, other.Complete(within(t), ds))
	}
	assert.Equal(t, []string{"b", "c"}, got)
	nothing(t, other, 2*slack)
	counts(t, other, driver.Stats{})
}

func TestAGroupThatEndsWhileATaskComesForgetsNone(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{Type: driver.FIFO})
	const tasks, senders = 120, 3
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range tasks / senders {
				if _, err := q.Enqueue(within(t), []*driver.Task{newTask(q, fmt.Sprintf("%d-%d", s, i))}); err != nil {
					t.Errorf("enqueue: %v", err)
				}
			}
		})
	}
	for range tasks {
		ds := take(t, q, 1, time.Minute)
		require.NoError(t, q.Complete(within(t), ds))
	}
	wg.Wait()
	counts(t, q, driver.Stats{})
}

func TestAClaimWhoseTaskWasNeverStoredIsGoneOnWith(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	unique := func(t *driver.Task) { t.UniqueKey, t.UniqueFor = "key", time.Hour }
	task := newTask(q, "a", unique)
	es := q.encode([]*driver.Task{task}, make(map[int]error))
	q.claimKeys(within(t), es, make([]driver.Enqueued, 1), make(map[int]error)) // and no further
	answer := put(t, q, newTask(q, "b", unique))[0]
	assert.True(t, answer.Duplicate)
	assert.Equal(t, "a", answer.ID)
	answer = put(t, q, task)[0]
	assert.False(t, answer.Duplicate, "the task was told to be there, and is not")
	require.NoError(t, q.Complete(within(t), take(t, q, 1, time.Minute)))
	answer = put(t, q, task)[0]
	assert.True(t, answer.Duplicate, "the window is not over")
	counts(t, q, driver.Stats{})
}

func TestATaskThatIsNotDueByTheWorkersClockIsPutBack(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{})
	due := time.Now().Add(1200 * time.Millisecond)
	task := newTask(q, "a", func(t *driver.Task) { t.ScheduledFor = due })
	subject := q.at(placeReady+defaultPartition, tail(none, none, "a"))
	early := publish(subject, driver.AppendEnvelope(nil, task), guard{}, nil) // as a server whose clock is ahead fires it
	require.NoError(t, q.requester.roundTrip(within(t), []*request{early}, nil))
	ds := take(t, q, 1, time.Minute)
	assert.False(t, time.Now().Before(due))
	assert.Zero(t, ds[0].Crashes)
	require.NoError(t, q.Complete(within(t), ds))
	counts(t, q, driver.Stats{})
}

func TestADelayedTaskOfAGroupThatWasInterruptedWhileItGotInLineIsNotLost(t *testing.T) {
	t.Parallel()
	dying, other, kill := twins(t, driver.QueueConfig{Type: driver.FIFO, Visibility: quick})
	put(t, dying, newTask(dying, "a", func(t *driver.Task) { t.ScheduledFor = time.Now().Add(300 * time.Millisecond) }))
	var p *pull
	require.Eventually(t, func() bool {
		var err error
		p, err = dying.pull(within(t), dying.closing.Done(), []string{headConsumer}, 1, true)
		return err == nil && len(p.got) == 1
	}, soon, time.Millisecond)
	ls, _, _ := dying.read(p.got)
	l := ls[0]
	require.Equal(t, placeJoining, l.place)
	line := publish(dying.at(placeFollowers, l.tail), l.data, guard{dying.at(anyPlace, l.tail), l.seq}, dying.headerOf(l, 0))
	require.NoError(t, dying.requester.roundTrip(within(t), []*request{line}, nil))
	kill() // it is a follower, its group has no head, and the message that fell due is there yet
	got := take(t, other, 1, time.Minute)
	assert.Equal(t, "a", got[0].Task.ID)
	require.NoError(t, other.Complete(within(t), got))
	nothing(t, other, 2*slack)
	counts(t, other, driver.Stats{})
}

func TestAHeadThatIsFollowedIsNotGivenBack(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{Type: driver.FIFO})
	put(t, q, newTask(q, "a"), newTask(q, "b"))
	ls := heldBy(q, take(t, q, 1, time.Minute))
	again, _, err := q.replaceHeadsOnce(within(t), ls, []int{0}, make([]error, 1))
	require.NoError(t, err)
	require.Empty(t, again)
	q.giveBack(within(t), ls, 1, nil) // its lease ends before it is taken away
	got := take(t, q, 1, time.Minute)
	assert.Equal(t, "b", got[0].Task.ID)
	nothing(t, q, slack)
}

func TestACancelThatWasInterruptedLeavesTheGroupAHead(t *testing.T) {
	t.Parallel()
	dying, other, kill := twins(t, driver.QueueConfig{Type: driver.FIFO})
	put(t, dying, newTask(dying, "a"), newTask(dying, "b"), newTask(dying, "c"))
	found, err := dying.find(within(t), []string{"a"})
	require.NoError(t, err)
	_, err = dying.replaceFoundHeads(within(t), found)
	require.NoError(t, err)
	away := dying.requester.remove(dying.names.stream, found[0].seq)
	require.NoError(t, dying.requester.roundTrip(within(t), []*request{away}, nil))
	kill()
	for _, want := range []string{"b", "c"} {
		ds := take(t, other, 1, time.Minute)
		assert.Equal(t, want, ds[0].Task.ID)
		require.NoError(t, other.Complete(within(t), ds))
	}
	counts(t, other, driver.Stats{})
}

func TestWhereTheFirstOfAGroupIsCancelledOrPutOffTheNextIsHandedOut(t *testing.T) {
	t.Parallel()
	q := openQueue(t, openShared(t), driver.QueueConfig{Type: driver.FIFO})
	put(t, q, newTask(q, "a"), newTask(q, "b"), newTask(q, "c"))
	cancelled, err := q.Cancel(within(t), []string{"a"})
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, cancelled)
	require.NoError(t, q.Reschedule(within(t), "b", time.Now().Add(time.Hour)))
	ds := take(t, q, 1, time.Minute)
	assert.Equal(t, "c", ds[0].Task.ID)
	require.NoError(t, q.Complete(within(t), ds))
	counts(t, q, driver.Stats{Scheduled: 1})
	cancelled, err = q.Cancel(within(t), []string{"b"})
	require.NoError(t, err)
	assert.Equal(t, []string{"b"}, cancelled)
	counts(t, q, driver.Stats{})
}
