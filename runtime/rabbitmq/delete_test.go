package rabbitmq

import (
	"context"
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// remains lists what the broker still has of a queue and of its dead letter queue.
func remains(t *testing.T, p *Provider, cfg driver.QueueConfig) (names []string) {
	t.Helper()
	s, err := p.link.session(within(t))
	require.NoError(t, err)
	queues := []string{p.names.gate(cfg.Name), p.names.gate(cfg.DLQ), p.names.line(cfg.DLQ, 0)}
	for i := range lines(cfg) {
		queues = append(queues, p.names.line(cfg.Name, i))
	}
	for _, name := range queues {
		_, err := s.passive(within(t), name)
		if e := exception(err); e == nil || e.Code != amqp.NotFound {
			require.NoError(t, err)
			names = append(names, name)
		}
	}
	for _, name := range []string{p.names.plan(cfg.Name), p.names.plan(cfg.DLQ), p.names.backstop(cfg.Name), p.names.deadExchange(cfg.DLQ)} {
		// The backstop is of another type, which is a refusal of another kind.
		there, err := s.exists(within(t), name)
		if e := exception(err); e == nil || e.Code != amqp.PreconditionFailed {
			require.NoError(t, err)
		}
		if there || err != nil {
			names = append(names, name+" (exchange)")
		}
	}
	return names
}

func TestDeleteLeavesNothingAtTheBroker(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{Name: "q"}, {Name: "f", Type: driver.FIFO}, {Name: "p", Type: driver.Priority, Levels: 2}} {
		q := open(t, data(t), cfg)
		require.NotEmpty(t, remains(t, q.p, q.cfg))
		one, later := task("a"), task("b")
		later.ScheduledFor = time.Now().Add(time.Hour)
		for _, one := range []*driver.Task{one, later} {
			if one.Queue = cfg.Name; cfg.Type == driver.FIFO {
				one.GroupKey = "g"
			}
		}
		put(t, q, one, later)
		takeN(t, q, 1)
		waits := make(chan error, 1)
		go func() {
			_, err := q.Dequeue(within(t), 1, time.Minute)
			waits <- err
		}()
		require.NoError(t, q.Delete(within(t)))
		require.ErrorIs(t, <-waits, driver.ErrClosed)
		assert.Empty(t, remains(t, q.p, q.cfg))
		// The ladder has nothing of it for a new queue of the name.
		s, err := q.p.link.session(within(t))
		require.NoError(t, err)
		for _, name := range ladderQueues(q.p.names) {
			n, err := s.ready(within(t), name)
			require.NoError(t, err)
			assert.Zero(t, n, name)
		}
	}
}

func TestADeadLetterQueueThatOthersNameStays(t *testing.T) {
	t.Parallel()
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{})
	other := open(t, addr, driver.QueueConfig{Name: "other", DLQ: "q-dlq"})
	for _, q := range []*queue{q, other} {
		one := task("dead")
		one.Queue = q.cfg.Name
		put(t, q, one)
		ds := takeN(t, q, 1)
		driver.RecordDeath(ds[0].Task, q.cfg.Name, time.Now(), errors.New("it failed"))
		require.NoError(t, q.DeadLetter(within(t), ds))
	}
	require.NoError(t, q.Delete(within(t)))
	back, err := other.Redrive(within(t), nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"dead"}, back)
	again := open(t, addr, driver.QueueConfig{})
	n, err := again.Stats(within(t))
	require.NoError(t, err)
	assert.Zero(t, n.Dead, "what died on the deleted queue is gone")
	require.NoError(t, other.Delete(within(t)), "its dead letter queue has not the default name")
	require.NoError(t, again.Delete(within(t)))
	assert.Empty(t, remains(t, again.p, again.cfg))
}

func TestAWorkerElsewhereThatWaitsIsToldOfTheDeletion(t *testing.T) {
	t.Parallel()
	addr := data(t)
	q, elsewhere := open(t, addr, driver.QueueConfig{}), open(t, addr, driver.QueueConfig{})
	told := make(chan error, 1)
	go func() {
		_, err := elsewhere.Dequeue(within(t), 1, time.Minute)
		told <- err
	}()
	require.Eventually(t, func() bool {
		s, err := q.p.link.session(within(t))
		require.NoError(t, err)
		n, err := s.consumers(context.Background(), q.p.names.line("q", 0))
		return err == nil && n > 0
	}, soon, 10*time.Millisecond)
	require.NoError(t, q.Delete(within(t)))
	require.ErrorIs(t, <-told, driver.ErrUnknownQueue)
	_, err := elsewhere.Enqueue(within(t), []*driver.Task{task("a")})
	require.ErrorIs(t, driver.ErrorAt(err, 0), driver.ErrUnknownQueue)
}

func TestADeclarationIsRepeatedWhileItIsDeleted(t *testing.T) {
	gone := &amqp.Error{Code: amqp.NotFound, Reason: "no queue 'q:gate'", Server: true}
	other := errors.New("the broker is away")
	for name, c := range map[string]struct {
		answers []error
		tries   int
	}{
		"deleted once":  {[]error{explain(gone), nil}, 2},
		"never":         {[]error{nil}, 1},
		"another error": {[]error{explain(gone), other}, 2},
	} {
		tries := 0
		err := whileDeleted(func() error { tries++; return c.answers[tries-1] })
		assert.Equal(t, c.answers[c.tries-1], err, name)
		assert.Equal(t, c.tries, tries, name)
	}
	tries := 0
	err := whileDeleted(func() error { tries++; return explain(gone) })
	require.ErrorIs(t, err, driver.ErrUnknownQueue)
	require.ErrorContains(t, err, "declared 5 times")
	assert.Equal(t, declareTries, tries)
}

// ends closes a connection as the broker does with an internal error: the client knows before
// anyone has heard of it.
func ends(t testing.TB, s *session) error {
	t.Helper()
	require.NoError(t, s.conn.Close())
	_, err := s.conn.Channel()
	require.ErrorIs(t, err, amqp.ErrClosed)
	return unavailable(err)
}

func TestACallIsMadeAgainWhereItsConnectionEndsUnderIt(t *testing.T) {
	t.Parallel()
	l := openAt(t, data(t)).link
	seen := make(map[*session]bool)
	require.NoError(t, l.repeat(within(t), func(s *session) error {
		require.False(t, seen[s], "it is made again over a connection that has ended")
		if seen[s] = true; len(seen) == sessionTries {
			return nil
		}
		return ends(t, s)
	}))
	tries, first := 0, seen
	seen = make(map[*session]bool)
	err := l.repeat(within(t), func(s *session) error {
		tries, seen[s] = tries+1, true
		return ends(t, s)
	})
	require.ErrorIs(t, err, driver.ErrUnavailable)
	assert.Len(t, seen, tries)
	assert.Equal(t, len(first), tries, "a broker that ends every connection has trouble of its own")

	refused := &amqp.Error{Code: amqp.PreconditionFailed, Server: true}
	tries = 0
	require.ErrorIs(t, l.repeat(within(t), func(*session) error { tries++; return refused }), refused)
	assert.Equal(t, 1, tries, "the answer of a connection that lives is the answer")
}
