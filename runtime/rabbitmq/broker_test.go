package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/process"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Tests of what an operator does with a broker: alarms, policies, permissions.

// ctl runs rabbitmqctl.
func ctl(t testing.TB, s *testserver.Server, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*soon)
	defer cancel()
	_, err := s.RabbitMQCtl(ctx, args...)
	require.NoError(t, err)
}

func alarmOn(t testing.TB, addr string) {
	ctl(t, roomOf(addr).server, "set_vm_memory_high_watermark", "0.00001")
}

func alarmOff(t testing.TB, addr string) {
	ctl(t, roomOf(addr).server, "set_vm_memory_high_watermark", "0.6")
}

func (p *Provider) blocked() bool {
	s := p.out.current()
	return s != nil && s.alarm.err() != nil
}

func (q *queue) blocked() bool { return q.p.blocked() }

func TestAnAlarmIsToldAtOnceAndLeavesNothingBehind(t *testing.T) {
	addr := configured(t)
	q, other := open(t, addr, driver.QueueConfig{}), open(t, addr, driver.QueueConfig{})
	put(t, q, tasks(10)...)
	retry := takeN(t, q, 1)
	alarmOn(t, addr)
	require.Eventually(t, func() bool { return q.blocked() && other.blocked() }, soon, time.Millisecond, "it is heard without a publishing of anybody's")
	goroutines := goruntime.NumGoroutine()
	for n := range 200 {
		_, err := q.Enqueue(context.Background(), []*driver.Task{task(fmt.Sprint("refused", n))})
		require.ErrorIs(t, err, driver.ErrQueueFull)
		require.ErrorContains(t, err, "memory")
	}
	assert.Less(t, goruntime.NumGoroutine(), goroutines+100)

	// A retry waits. What is released as it was stays with its process, and is with the
	// others when that ends.
	retry[0].Task.RetryCount = 1
	require.ErrorIs(t, q.Release(within(t), retry), driver.ErrQueueFull)
	kept := takeN(t, other, 2)
	require.NoError(t, other.Release(within(t), kept))
	require.Len(t, takeN(t, other, 2), 2)
	require.NoError(t, other.p.Close())
	alarmOff(t, addr)
	require.Eventually(t, func() bool { return !q.blocked() }, soon, time.Millisecond)
	require.NoError(t, q.Release(within(t), retry))
	seen := make(map[string]int)
	for len(seen) < 10 {
		for _, d := range takeN(t, q, 1) {
			seen[d.Task.ID]++
			require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
		}
	}
	for id, n := range seen {
		assert.Equal(t, 1, n, id)
		assert.NotContains(t, id, "refused")
	}
}

// patient opens a queue on connections that outlast a frozen broker: with the heartbeat
// of Open they would end while a slow machine is still on its way through a test.
func patient(t testing.TB, addr string) *queue {
	at, prefix, _ := strings.Cut(addr, "#")
	p, err := New(func(context.Context) (*amqp.Connection, error) {
		return amqp.DialConfig(at, amqp.Config{Heartbeat: soon})
	}, WithPrefix(prefix))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	q, err := p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.NoError(t, err)
	return q.(*queue)
}

// toBeMoved has a task that is retried over a connection that hears no answer.
func toBeMoved(t testing.TB, addr string, one *driver.Task) (*queue, []*driver.Delivery, *session) {
	q := patient(t, addr)
	put(t, q, one)
	ds := takeN(t, q, 1)
	ds[0].Task.RetryCount = 1
	s := q.p.out.current()
	s.proven.Store(unproven) // as over a connection that was not asked to take it before
	s.deaf(t)
	return q, ds, s
}

// What the broker has begun to read when the alarm comes is stored when it ends, once:
// the call is repeated, and the message is not.
func TestAMoveThatAnAlarmSurprisesIsMadeOnce(t *testing.T) {
	t.Parallel()
	addr := configured(t)
	for _, one := range []*driver.Task{task("1"), sized("1", 2*unproven)} {
		q, ds, s := toBeMoved(t, addr, one)
		for alarmOn(t, addr); q.p.out.current() != s; alarmOn(t, addr) {
			alarmOff(t, addr) // a connection that was made anew meanwhile has heard of the alarm
			require.NoError(t, q.Complete(within(t), ds))
			q, ds, s = toBeMoved(t, addr, one)
		}
		ctx, cancel := context.WithCancel(within(t))
		first := make(chan error, 1)
		go func() { first <- q.Release(ctx, ds) }()
		require.ErrorIs(t, <-first, driver.ErrQueueFull)
		cancel()
		require.NotNil(t, q.st.leases[ds[0].Receipt].moving)
		require.ErrorIs(t, q.Release(within(t), ds), driver.ErrQueueFull)
		alarmOff(t, addr)
		require.Eventually(t, func() bool { return !q.blocked() }, soon, time.Millisecond)
		require.NoError(t, q.Release(within(t), ds))
		assert.Equal(t, map[string]int{"1": 1}, drainIDs(t, q))
		require.NoError(t, q.p.Close())
	}
}

// What hangs on its way into the connection when the alarm comes is stored when it ends,
// once, too.
func TestAMoveThatHangsInAnAlarmIsMadeOnce(t *testing.T) {
	t.Parallel()
	addr := configured(t)
	q, ds, s := toBeMoved(t, addr, task("1"))
	server := roomOf(addr).server
	require.NoError(t, server.Freeze())
	defer func() { require.NoError(t, server.Thaw()) }()
	written := make(chan error, 1)
	var n atomic.Int64
	go func() { // more than the buffers on the way take: who writes after it hangs
		for range 64 {
			if err := s.pubs[0].ch.Publish("", "nobody", false, false, amqp.Publishing{Body: make([]byte, 2<<20)}); err != nil {
				written <- err
				return
			}
			n.Add(1)
		}
		written <- nil
	}()
	last := int64(-1)
	require.Eventually(t, func() bool { was := last; last = n.Load(); return last == was }, soon, 3*time.Second, "it hangs")
	first := make(chan error, 1)
	go func() { first <- q.Release(context.Background(), ds) }()
	require.Eventually(t, func() bool { return len(s.pubs[0].busy)+len(s.pubs[1].busy) > 0 }, soon, time.Millisecond, "it hangs behind that")
	s.alarm.set(true, "memory")
	require.ErrorIs(t, <-first, driver.ErrQueueFull)
	moving := q.st.leases[ds[0].Receipt].moving
	require.NotNil(t, moving)
	require.NotNil(t, moving.stuck)
	require.ErrorIs(t, q.Release(within(t), ds), driver.ErrQueueFull)
	require.NoError(t, server.Thaw())
	s.alarm.set(false, "")
	require.NoError(t, <-written)
	require.NoError(t, q.Release(within(t), ds))
	assert.Equal(t, map[string]int{"1": 1}, drainIDs(t, q))
}

// What the broker has confirmed when its channel ends is not published again.
func TestAMoveThatWasConfirmedBeforeItsChannelEndedIsMadeOnce(t *testing.T) {
	t.Parallel()
	q := open(t, data(t), driver.QueueConfig{})
	s, err := q.p.out.session(within(t))
	require.NoError(t, err)
	pub, err := s.newPublisher(within(t))
	require.NoError(t, err)
	moved := task("1")
	l := &letter{to: q.st.lines[0], id: moved.ID, body: driver.AppendEnvelope(nil, moved)}
	require.True(t, pub.write(within(t), s, l))
	require.True(t, l.sent.Wait())
	require.NoError(t, pub.ch.Close())
	q.p.publish(within(t), []*letter{l})
	require.NoError(t, l.err)
	assert.Equal(t, map[string]int{"1": 1}, drainIDs(t, q))
}

// deaf ends what tells a connection of alarms ahead of time.
func (s *session) deaf(t testing.TB) {
	require.NoError(t, s.talk.Close())
	<-s.talk.gone
}

func TestPoliciesOfTheHouseLoseNoTask(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]string{
		"message-ttl":    `{"message-ttl":300}`,
		"delivery-limit": `{"delivery-limit":1}`,
		"drop-head":      `{"max-length":5,"overflow":"drop-head"}`,
	} {
		t.Run(name, func(t *testing.T) {
			addr := data(t)
			n := prefixOf(addr)
			q := open(t, addr, driver.QueueConfig{Type: driver.Priority, Levels: 2})
			// Not on the dead letter queue: how long dead letters are kept is the house's affair.
			ctl(t, roomOf(addr).server, "set_policy", n.prefix+name, "^"+regexp.QuoteMeta(n.line("q", 0))+"(:.*)?$", policy, "--apply-to", "queues")
			defer ctl(t, roomOf(addr).server, "clear_policy", n.prefix+name)
			ts := tasks(10)
			for _, one := range ts {
				one.Priority = 1
			}
			put(t, q, ts...)
			dead := 0
			switch name {
			case "message-ttl":
				<-time.After(time.Second)
			case "delivery-limit":
				for range 2 {
					ds, err := q.Dequeue(within(t), 10, 50*time.Millisecond)
					require.NoError(t, err)
					q.st.outlast(t, ds)
				}
				dead = 10
			case "drop-head":
				dead = 5
			}
			deadQueue, err := q.p.Open(within(t), driver.QueueConfig{Name: "q-dlq"})
			require.NoError(t, err)
			for _, d := range takeN(t, deadQueue.(*queue), dead) {
				assert.Contains(t, d.Task.Metadata[driver.MetaFailureReason], name)
				assert.Contains(t, d.Task.Metadata[driver.MetaFailureReason], "policy")
				assert.Equal(t, "q", d.Task.Metadata[driver.MetaOriginalQueue])
				assert.Equal(t, `{"n":1}`, string(d.Task.Payload))
				require.NoError(t, deadQueue.Complete(within(t), []*driver.Delivery{d}))
			}
			for _, d := range takeN(t, q, 10-dead) {
				assert.Equal(t, 1, d.Task.Priority)
				require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
			}
		})
	}
}

// outlast waits until leases have ended.
func (st *queueState) outlast(t testing.TB, ds []*driver.Delivery) {
	require.Eventually(t, func() bool {
		st.mu.Lock()
		defer st.mu.Unlock()
		for _, d := range ds {
			if st.leases[d.Receipt] != nil {
				return false
			}
		}
		return true
	}, soon, time.Millisecond)
}

// A policy that matches the gate: with no process there, tasks that wait at it are dead
// rather than gone.
func TestWhatTheBrokerTakesOffTheGateIsDead(t *testing.T) {
	addr := data(t)
	n := prefixOf(addr)
	q := open(t, addr, driver.QueueConfig{})
	one := task("1")
	one.ScheduledFor = time.Now().Add(100 * time.Millisecond)
	require.NoError(t, q.p.Close())
	ctl(t, roomOf(addr).server, "set_policy", n.prefix+"gate", "^"+regexp.QuoteMeta(n.gate("q"))+"$", `{"message-ttl":200}`, "--apply-to", "queues")
	defer ctl(t, roomOf(addr).server, "clear_policy", n.prefix+"gate")
	raw(t, roomOf(addr).server.URL, n.gate("q"), amqp.Publishing{MessageId: "1", ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: driver.AppendEnvelope(nil, one)})
	conn, err := amqp.Dial(roomOf(addr).server.URL)
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		in, err := ch.QueueDeclarePassive(n.line("q-dlq", 0), true, false, false, false, nil)
		return err == nil && in.Messages == 1
	}, soon, 10*time.Millisecond)
	again := open(t, addr, driver.QueueConfig{Name: "q-dlq"})
	d := takeN(t, again, 1)[0]
	assert.Equal(t, "1", d.Task.ID)
	assert.Equal(t, "q", d.Task.Metadata[driver.MetaOriginalQueue])
	assert.Contains(t, d.Task.Metadata[driver.MetaFailureReason], "message-ttl")
	roomOf(addr).queues = map[string]driver.QueueConfig{"q": q.cfg}
}

// What versions without a backstop have declared is taken as it is, with a warning.
func TestQueuesOfAnEarlierVersionAreOpenedAsTheyAre(t *testing.T) {
	addr := data(t)
	n := prefixOf(addr)
	ch, err := dialShared(t).Channel()
	require.NoError(t, err)
	for _, name := range []string{n.line("q", 0), n.line("q", 1), n.gate("q")} {
		require.NoError(t, declareQuorum(ch, name, nil))
	}
	p, log := openLogged(t, addr)
	one, err := p.Open(within(t), driver.QueueConfig{Name: "q", Type: driver.Priority, Levels: 2})
	require.NoError(t, err)
	q := one.(*queue)
	roomOf(addr).queues["q"] = q.Config()
	log.await(t, "no backstop")
	log.await(t, n.line("q", 1))
	put(t, q, tasks(3)...)
	assert.Len(t, drainIDs(t, q), 3)
	for _, name := range q.st.lines {
		require.NoError(t, declareQuorum(ch, name, nil), "the earlier version opens it still")
	}
}

// The dead letter queue of one may be opened, and declared, as a queue first.
func TestAQueueBecomesADeadLetterQueueLater(t *testing.T) {
	addr := data(t)
	open(t, addr, driver.QueueConfig{Name: "q-dlq"})
	open(t, addr, driver.QueueConfig{Name: "q"})
}

var permissionList = regexp.MustCompile(`rabbitmqctl set_permissions -p / app '([^']+)' '([^']+)' '([^']+)'`)

func TestAUserWithThePermissionsOfTheReadmeWorksAndALesserOneIsTold(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	list := permissionList.FindStringSubmatch(string(readme))
	require.NotNil(t, list, "the README has a list of permissions")
	s := shared(t)
	ctl(t, s, "add_user", "app", "pw")
	defer ctl(t, s, "delete_user", "app")
	grant := func(configure, write, read string) {
		ctl(t, s, "set_permissions", "-p", "/", "app", configure, write, read)
	}
	at, err := url.Parse(s.URL)
	require.NoError(t, err)
	at.User = url.UserPassword("app", "pw")
	dial := func(t *testing.T) (*Provider, error) {
		p, err := Open(within(t), at.String())
		if err == nil {
			t.Cleanup(func() { _ = p.Close() })
		}
		return p, err
	}
	wipe := func(t *testing.T, kinds map[string]driver.QueueConfig) {
		pl := &place{server: s, queues: kinds}
		t.Cleanup(func() { pl.wipe(t, s.URL, DefaultPrefix) })
	}

	grant(list[1], list[2], list[3])
	t.Run("all of them", func(t *testing.T) {
		queues := make(map[string]driver.QueueConfig)
		wipe(t, queues)
		p, err := dial(t)
		require.NoError(t, err)
		for _, kind := range []driver.QueueType{driver.Standard, driver.Priority, driver.FIFO} {
			one, err := p.Open(within(t), driver.QueueConfig{Name: string(kind), Type: kind})
			require.NoError(t, err)
			q := one.(*queue)
			queues[q.cfg.Name] = q.cfg
			a, b := task("a"), task("b")
			if a.Queue, b.Queue = q.cfg.Name, q.cfg.Name; kind == driver.FIFO {
				a.GroupKey, b.GroupKey = "a", "b"
			}
			b.ScheduledFor = time.Now().Add(400 * time.Millisecond)
			put(t, q, a, b)
			d := takeN(t, q, 1)
			require.NoError(t, q.Release(within(t), d))
			d = takeN(t, q, 1)
			driver.RecordDeath(d[0].Task, q.cfg.Name, time.Now(), errors.New("it failed"))
			require.NoError(t, q.DeadLetter(within(t), d))
			ids, err := q.Redrive(within(t), nil)
			require.NoError(t, err)
			assert.Len(t, ids, 1)
			assert.Len(t, takeN(t, q, 2), 2)
			_, err = q.Stats(within(t))
			require.NoError(t, err)
			_, err = q.Purge(within(t))
			require.NoError(t, err)
		}
		// The user's rights are cut before the first task: each is told what it lacks, and
		// nobody's connection ends. A channel that has published keeps its rights.
		p, err = dial(t)
		require.NoError(t, err)
		one, err := p.Open(within(t), driver.QueueConfig{Name: "standard"})
		require.NoError(t, err)
		q := one.(*queue)
		before := p.out.current()
		grant(list[1], `^taskgen\..*$`, list[3])
		for _, n := range []int{1, 20} {
			require.Eventually(t, func() bool { // the broker remembers rights for a moment
				_, err = q.Enqueue(within(t), tasks(n))
				return err != nil
			}, soon, 100*time.Millisecond)
			for i := range n {
				one := driver.ErrorAt(err, i)
				require.ErrorContains(t, one, "ACCESS_REFUSED")
				require.ErrorContains(t, one, "amq.default")
				for _, misleading := range []error{driver.ErrQueueFull, driver.ErrUnknownQueue, driver.ErrPayloadTooLarge, driver.ErrLeaseLost} {
					require.NotErrorIs(t, one, misleading)
				}
			}
		}
		assert.Same(t, before, p.out.current())
	})
	for name, lesser := range map[string][3]string{
		"configure": {`^none$`, list[2], list[3]},
		"write":     {list[1], `^amq\.default$`, list[3]},
		"read":      {list[1], list[2], `^none$`},
	} {
		t.Run("without "+name, func(t *testing.T) {
			grant(lesser[0], lesser[1], lesser[2])
			_, err := dial(t)
			require.ErrorContains(t, err, "ACCESS_REFUSED")
			require.ErrorContains(t, err, "configure, write and read on names that begin with the provider's prefix")
			assert.False(t, strings.Contains(err.Error(), "pw@"))
		})
	}
}

func TestTheBrokerListsConnectionsByHostAndProcess(t *testing.T) {
	t.Parallel()
	addr := alone(t)
	openAt(t, addr)
	out, err := roomOf(addr).server.RabbitMQCtl(within(t), "list_connections", "client_properties")
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(out, "taskgen "+process.Name()), "one that publishes and one that consumes: %s", out)
}
