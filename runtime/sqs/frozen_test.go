package sqs

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// shortContext ends long before SQS is given up.
func shortContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// unanswered has SQS answer no request of that action, until answer is called: then it acts
// on them.
func (b *bench) unanswered(t *testing.T, action string) (arrived <-chan struct{}, answer func()) {
	came, pass := make(chan struct{}), make(chan struct{})
	var first sync.Once
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation == action {
			first.Do(func() { close(came) })
			<-pass
		}
		return sqstest.Fault{}
	})
	answer = sync.OnceFunc(func() { close(pass) })
	t.Cleanup(answer)
	return came, answer
}

// deadConnections opens a queue by a client with idle connections of which none is
// answered any more. New ones are.
func deadConnections(t *testing.T, own *http.Client, answerWait time.Duration, before ...func(*Queue)) *Queue {
	b := newBench(t)
	proxy, err := faultproxy.Listen(strings.TrimPrefix(b.URL(), "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	o := client("http://" + proxy.Addr()).Options()
	if own != nil {
		o.HTTPClient = own
		t.Cleanup(own.CloseIdleConnections)
	}
	p, err := New(awssqs.New(o), WithClock(b.clock), WithCloseWait(0))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	p.api.answerWait = answerWait
	q := openQueue(t, p, driver.QueueConfig{})
	for _, f := range before {
		f(q)
	}
	const conns = 8
	var all, done sync.WaitGroup
	var calls atomic.Int64
	all.Add(conns)
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if calls.Add(1) <= conns { // each of the first needs a connection of its own
			all.Done()
			all.Wait()
		}
		return sqstest.Fault{}
	})
	for range conns {
		done.Go(func() { _, _ = q.Stats(within(t)) })
	}
	done.Wait()
	b.SetHook(nil)
	proxy.Swallow()
	proxy.Heal()
	return q
}

// TestConnectionsThatDiedUnnoticedAreReplaced has more of them die than a request is
// tried times.
func TestConnectionsThatDiedUnnoticedAreReplaced(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]*http.Client{"of a client of the caller's": {Transport: &http.Transport{MaxIdleConnsPerHost: 99}}, "of the SDK's client": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := deadConnections(t, own, time.Second)
			put(t, q, "a")
			require.Equal(t, []string{"a"}, idsOf(take(t, q, 1)))
		})
	}
}

// TestACallThatGivesUpFirstHasTheNextDialAnew has none of them be found dead by the
// provider's own patience.
func TestACallThatGivesUpFirstHasTheNextDialAnew(t *testing.T) {
	t.Parallel()
	q := deadConnections(t, nil, time.Hour)
	ctx, cancel := context.WithTimeout(context.Background(), 2*suspectAfter)
	defer cancel()
	_, err := q.Stats(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	put(t, q, "a")
}

// TestALeaseIsKeptOverANewConnectionAtOnce: it may end before SQS would be given up.
func TestALeaseIsKeptOverANewConnectionAtOnce(t *testing.T) {
	t.Parallel()
	var ds []*driver.Delivery
	q := deadConnections(t, nil, time.Hour, func(q *Queue) {
		put(t, q, "a")
		ds = take(t, q, 1)
	})
	require.NoError(t, q.Extend(within(t), ds, 2*time.Minute))
	require.NoError(t, q.Complete(within(t), ds))
}

func TestAnExtendOfWhatIsBeingReleasedWaitsForTheEndOfThat(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		b := newBench(t)
		q := openQueue(t, b.p, driver.QueueConfig{})
		put(t, q, "a")
		ds := take(t, q, 1)
		arrived, pass := make(chan struct{}), make(chan struct{})
		var once sync.Once
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			if c.Operation == "SendMessageBatch" {
				once.Do(func() { close(arrived) })
				<-pass
				if fails {
					return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDenied", Status: 403, Message: "no"}}
				}
			}
			return sqstest.Fault{}
		})
		released := make(chan error, 1)
		go func() { released <- q.Release(within(t), ds) }()
		<-arrived
		before := ds[0].LeaseUntil
		kept := *ds[0]
		require.ErrorIs(t, q.Extend(shortContext(t), []*driver.Delivery{&kept}, time.Hour), context.DeadlineExceeded)
		require.Equal(t, before, kept.LeaseUntil)
		extended := make(chan error, 1)
		go func() { extended <- q.Extend(within(t), []*driver.Delivery{&kept}, time.Hour) }()
		close(pass)
		if fails {
			require.Error(t, <-released)
			require.NoError(t, <-extended)
			require.Equal(t, b.clock.Now().Add(time.Hour), kept.LeaseUntil)
			continue
		}
		require.NoError(t, <-released)
		require.ErrorIs(t, <-extended, driver.ErrLeaseLost)
	}
}

// TestADequeueEndsThoughTheLeaseOfWhatItFoundIsNotRenewed has the task be the next
// Dequeue's.
func TestADequeueEndsThoughTheLeaseOfWhatItFoundIsNotRenewed(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, fifo} {
		b := newBench(t)
		q := openQueue(t, b.p, cfg)
		put(t, q, "a")
		arrived, answer := b.unanswered(t, "ChangeMessageVisibilityBatch")
		ctx, cancel := context.WithCancel(within(t))
		ended := make(chan error, 1)
		go func() {
			_, err := q.Dequeue(ctx, 1, time.Hour) // a receive asks for less
			ended <- err
		}()
		<-arrived
		cancel()
		require.ErrorIs(t, <-ended, driver.ErrNoTasks)
		receives := b.p.Requests()["ReceiveMessage"]
		b.SetHook(nil)
		answer()
		d := take(t, q, 1)[0]
		require.Equal(t, "a", d.Task.ID)
		require.Zero(t, d.Crashes)
		require.LessOrEqual(t, b.p.Requests()["ReceiveMessage"]-receives, int64(2), "it is at hand")
	}
}

func TestAnOpenEndsThoughAnotherIsNotAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arrived, answer := b.unanswered(t, "GetQueueUrl")
	opened := make(chan error, 1)
	go func() {
		_, err := b.p.Open(within(t), driver.QueueConfig{Name: "one"})
		opened <- err
	}()
	<-arrived
	_, err := b.p.Open(shortContext(t), driver.QueueConfig{Name: "another"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	answer()
	require.NoError(t, <-opened)
}

func TestARedriveEndsThoughWhatItHeldIsNotMadeVisible(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q, other := openQueue(t, b.p, driver.QueueConfig{DLQ: "dead"}), openQueue(t, b.p, driver.QueueConfig{Name: "other", DLQ: "dead"})
	put(t, other, "a")
	ds := take(t, other, 1)
	driver.RecordDeath(ds[0].Task, "other", b.clock.Now(), errors.New("it failed"))
	require.NoError(t, other.DeadLetter(within(t), ds))
	b.p.api.answerWait = time.Hour
	arrived, answer := b.unanswered(t, "ChangeMessageVisibilityBatch")
	ctx, cancel := context.WithCancel(within(t))
	ended := make(chan error, 1)
	go func() {
		_, err := q.Redrive(ctx, nil)
		ended <- err
	}()
	<-arrived
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err, "there was nothing of this queue")
	case <-time.After(giveBackTimeout / 2):
		t.Fatal("it goes on")
	}
	answer()
	becomes(t, other, driver.Stats{Dead: 1})
	again, err := other.Redrive(within(t), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, again)
}

// TestCloseEndsThoughWhatIsAtHandIsNotGivenBack is about what outlasts the polls.
func TestCloseEndsThoughWhatIsAtHandIsNotGivenBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			q := openQueue(t, b.p, driver.QueueConfig{Type: kind})
			abandon(t, b, q)
			moves, arrived := new(atomic.Int64), make(chan struct{})
			b.SetHook(func(c sqstest.Call) sqstest.Fault {
				if c.Operation == "ReceiveMessage" {
					return sqstest.Fault{}
				}
				switch moves.Add(1) {
				case 1: // it is enqueued
					return sqstest.Fault{}
				case 2:
					close(arrived)
				}
				return sqstest.Fault{Delay: time.Hour} // of a clock that stands still
			})
			put(t, q, "a")
			<-arrived
			closed := make(chan error, 1)
			go func() { closed <- q.Close() }()
			select {
			case err := <-closed:
				require.NoError(t, err)
			case <-time.After(giveBackTimeout - lastGiveBack):
				t.Fatal("it goes on")
			}
		})
	}
}
