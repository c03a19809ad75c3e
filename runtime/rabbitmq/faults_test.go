package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// soon bounds every wait of a test for something that happens at once.
const soon = 2 * time.Minute

// settled is how long a new quorum queue needs on one node until it keeps what it
// confirms through a kill: one that is younger than a second has lost it.
const settled = 5 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	return ctx
}

func openAt(t testing.TB, addr string) *Provider {
	p, err := openAddr(addr, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p.(noting).Provider
}

func open(t testing.TB, addr string, cfg driver.QueueConfig) *queue {
	p, err := openAddr(addr, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	if cfg.Name == "" {
		cfg.Name = "q"
	}
	q, err := p.Open(within(t), cfg)
	require.NoError(t, err)
	return q.(*queue)
}

func task(id string) *driver.Task {
	return &driver.Task{ID: id, Type: "t", Queue: "q", Payload: []byte(`{"n":1}`), CreatedAt: time.Now(), MaxRetries: 3}
}

func tasks(n int) []*driver.Task {
	all := make([]*driver.Task, n)
	for i := range all {
		all[i] = task(fmt.Sprintf("t%05d", i))
	}
	return all
}

func put(t testing.TB, q *queue, ts ...*driver.Task) {
	t.Helper()
	_, err := q.Enqueue(within(t), ts)
	require.NoError(t, err)
}

func takeN(t testing.TB, q *queue, n int) []*driver.Delivery {
	t.Helper()
	var all []*driver.Delivery
	for len(all) < n {
		ds, err := q.Dequeue(within(t), n-len(all), time.Minute)
		require.NoError(t, err)
		all = append(all, ds...)
	}
	return all
}

// drainIDs completes all there is and counts each ID.
func drainIDs(t testing.TB, q *queue) map[string]int {
	t.Helper()
	seen := make(map[string]int)
	for {
		s, err := q.Stats(within(t))
		require.NoError(t, err)
		if s.Ready+s.Leased == 0 {
			return seen
		}
		ds, err := q.Dequeue(within(t), 500, time.Minute)
		require.NoError(t, err)
		for _, d := range ds {
			seen[d.Task.ID]++
		}
		require.NoError(t, q.Complete(within(t), ds))
	}
}

func data(t testing.TB) string { return room(t, shared(t)) }

func TestWhatWasConfirmedSurvivesAKilledBroker(t *testing.T) {
	t.Parallel()
	addr := configured(t, soonAgain)
	q := open(t, addr, driver.QueueConfig{})
	<-time.After(settled)
	var mu sync.Mutex
	acked := make(map[string]bool)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	begun := make(chan struct{}, 1000)
	for g := range 3 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				ts := []*driver.Task{task(fmt.Sprintf("%d-%d-a", g, n)), task(fmt.Sprintf("%d-%d-b", g, n))}
				ts[1].ScheduledFor = time.Now().Add(300 * time.Millisecond)
				_, err := q.Enqueue(context.Background(), ts)
				if !assert.NoError(t, err, "an enqueue without a deadline waits for the broker") {
					return
				}
				mu.Lock()
				acked[ts[0].ID], acked[ts[1].ID] = true, true
				mu.Unlock()
				begun <- struct{}{}
			}
		})
	}
	for range 50 {
		<-begun
	}
	go func() {
		for range begun {
		}
	}()
	s := roomOf(addr).server
	require.NoError(t, s.Kill())
	require.NoError(t, s.Restart())
	close(stop)
	wg.Wait()
	close(begun)
	for end := time.Now().Add(soon); len(acked) > 0; {
		for id := range drainIDs(t, q) {
			delete(acked, id)
		}
		require.True(t, time.Now().Before(end), "these were confirmed and have not come: %v", slices.Sorted(maps.Keys(acked)))
	}
}

// Connections are cut at any byte of what a producer and a worker do.
func TestConnectionsCutAtAnyByteLoseNothing(t *testing.T) {
	addr := data(t)
	proxy := roomOf(addr).proxy
	q := open(t, addr, driver.QueueConfig{})
	want := make(map[string]bool)
	done := make(map[string]bool) // or as good as: where Complete answers ErrLeaseLost the task may run again, or not
	for round, after := range []int{1, 40, 300, 700, 1500, 2500, 4000, 9000} {
		proxy.Sever(after)
		for k := range 8 {
			id := fmt.Sprintf("%d-%d", round, k)
			if _, err := q.Enqueue(within(t), []*driver.Task{task(id)}); assert.NoError(t, err) {
				want[id] = true
			}
			ds, err := q.Dequeue(within(t), 3, time.Minute)
			require.NoError(t, err)
			switch k % 3 {
			case 0:
				err = q.Release(within(t), ds)
			case 1:
				for _, d := range ds {
					driver.RecordDeath(d.Task, "q", time.Now(), errors.New("it failed"))
				}
				err = q.DeadLetter(within(t), ds)
			default:
				err = q.Complete(within(t), ds)
				for _, d := range ds {
					done[d.Task.ID] = true
				}
			}
			if err != nil {
				require.ErrorIs(t, err, driver.ErrLeaseLost)
			}
		}
	}
	proxy.Heal()
	_, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	seen := drainIDs(t, q)
	for id := range want {
		assert.True(t, done[id] || seen[id] > 0, "task %s was confirmed and is lost", id)
	}
}

func TestALostReplyMakesAtMostADuplicate(t *testing.T) {
	addr := data(t)
	proxy := roomOf(addr).proxy
	q := open(t, addr, driver.QueueConfig{})
	put(t, q, task("before"))
	proxy.Mute()
	answer := make(chan error, 1)
	go func() {
		_, err := q.Enqueue(within(t), []*driver.Task{task("in doubt")})
		answer <- err
	}()
	<-time.After(300 * time.Millisecond) // the broker acts, and nobody hears of it
	proxy.Heal()
	require.NoError(t, <-answer)
	seen := drainIDs(t, q)
	assert.Equal(t, 1, seen["before"])
	assert.GreaterOrEqual(t, seen["in doubt"], 1)
	assert.LessOrEqual(t, seen["in doubt"], 2)
}

func TestWhatWasLeasedOverALostConnectionComesAgainAndItsReceiptIsStale(t *testing.T) {
	addr := data(t)
	proxy := roomOf(addr).proxy
	q := open(t, addr, driver.QueueConfig{})
	put(t, q, tasks(5)...)
	old := takeN(t, q, 5)
	proxy.Cut()
	proxy.Heal()
	again := takeN(t, q, 5)
	for _, err := range []error{q.Complete(within(t), old), q.Extend(within(t), old, time.Minute), q.Release(within(t), old), q.DeadLetter(within(t), old)} {
		require.ErrorIs(t, err, driver.ErrLeaseLost)
		var be *driver.BatchError
		require.ErrorAs(t, err, &be)
		require.Len(t, be.Items, 5)
	}
	for _, d := range again {
		assert.Equal(t, 1, d.Crashes)
	}
	require.NoError(t, q.Complete(within(t), again))
	assert.Empty(t, drainIDs(t, q))
}

func TestEveryWaitEndsWithItsContextWhenTheBrokerDoesNotAnswer(t *testing.T) {
	addr := data(t)
	proxy := roomOf(addr).proxy
	q := open(t, addr, driver.QueueConfig{})
	put(t, q, tasks(2)...)
	ds := takeN(t, q, 1)
	proxy.Cut()
	defer proxy.Heal()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	ended := make(chan string, 5)
	for name, call := range map[string]func() error{
		"Enqueue":  func() error { _, err := q.Enqueue(ctx, tasks(1)); return err },
		"Dequeue":  func() error { _, err := q.Dequeue(ctx, 1, time.Minute); return err },
		"Complete": func() error { return q.Complete(ctx, ds) },
		"Stats":    func() error { _, err := q.Stats(ctx); return err },
		"Redrive":  func() error { _, err := q.Redrive(ctx, nil); return err },
	} {
		go func() {
			assert.Error(t, call(), name)
			ended <- name
		}()
	}
	for range 5 {
		select {
		case <-ended:
		case <-time.After(soon):
			t.Fatal("a call outlives its context")
		}
	}
}

// Workers come and go while tasks come in. Whatever the broker sends to a consumer
// that is about to end is not lost. That the broker counts what it takes back then as
// a crash is rare: consumers end when nobody has asked for a while.
func TestATaskThatCrossesTheEndOfItsConsumerIsNotLostAndSeldomTakenForACrash(t *testing.T) {
	const n = 400
	q := open(t, data(t), driver.QueueConfig{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, one := range tasks(n) {
			_, err := q.Enqueue(within(t), []*driver.Task{one})
			assert.NoError(t, err)
		}
	})
	seen, crashes := make(map[string]int), 0
	for len(seen) < n {
		ctx, cancel := context.WithTimeout(within(t), time.Duration(len(seen)%4)*time.Millisecond+500*time.Microsecond)
		ds, err := q.Dequeue(ctx, 7, time.Minute)
		cancel()
		if errors.Is(err, driver.ErrNoTasks) {
			continue
		}
		require.NoError(t, err)
		for _, d := range ds {
			seen[d.Task.ID]++
			crashes += d.Crashes
		}
		require.NoError(t, q.Complete(within(t), ds))
	}
	wg.Wait()
	assert.Less(t, crashes, n/20)
	for id, times := range seen {
		assert.Equal(t, 1, times, "task %s", id)
	}
}

func TestTheBrokerDeliversNoMoreThanWasAskedFor(t *testing.T) {
	q := open(t, data(t), driver.QueueConfig{})
	put(t, q, tasks(20)...)
	takeN(t, q, 3)
	conn, err := amqp.Dial(shared(t).URL)
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	state, err := ch.QueueDeclarePassive(q.st.lines[0], true, false, false, false, nil)
	require.NoError(t, err)
	assert.Equal(t, 17, state.Messages)
}

func TestATaskThatTheBrokerRefusesAtTheGateDoublesNoOther(t *testing.T) {
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{Type: driver.Priority, Levels: 2})
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	at := time.Now().Add(2 * time.Second)
	ts := tasks(20)
	for _, task := range ts {
		task.ScheduledFor = at
	}
	ts[10].Priority = 1
	put(t, q, ts...)
	_, err = ch.QueueDelete(prefixOf(addr).line("q", 1), false, false, false)
	require.NoError(t, err)
	ready := func() int {
		in, err := ch.QueueDeclarePassive(prefixOf(addr).line("q", 0), true, false, false, false, nil)
		require.NoError(t, err)
		return in.Messages
	}
	require.Eventually(t, func() bool { return ready() >= 19 }, soon, 10*time.Millisecond)
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		require.Equal(t, 19, ready()) // here: Never would look on after the connection is closed
	}
}

func TestAConnectionThatComesTooLateIsClosed(t *testing.T) {
	url := shared(t).URL
	late := make(chan *amqp.Connection, 1)
	ctx, cancel := context.WithCancel(within(t))
	p, err := New(func(context.Context) (*amqp.Connection, error) {
		conn, err := amqp.Dial(url)
		if err == nil {
			late <- conn
		}
		cancel()
		<-time.After(50 * time.Millisecond) // nobody waits by now
		return conn, err
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	_, err = p.Open(ctx, driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, context.Canceled)
	conn := <-late
	require.Eventually(t, conn.IsClosed, soon, time.Millisecond)
}
