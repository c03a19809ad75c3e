//go:build unix

package testserver

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A shelf makes a place on a server, writes one durable thing to it, and reads it
// again.
type shelf struct {
	make, put func(t *testing.T, url string)
	get       func(t *testing.T, url string) string
}

var shelves = map[string]shelf{
	"redis": {
		make: func(*testing.T, string) {},
		put: func(t *testing.T, url string) {
			c := redisClient(t, url)
			defer c.Close()
			require.NoError(t, c.Set(t.Context(), "key", "kept", 0).Err())
		},
		get: func(t *testing.T, url string) string {
			c := redisClient(t, url)
			defer c.Close()
			value, err := c.Get(t.Context(), "key").Result()
			require.NoError(t, err)
			return value
		},
	},
	"rabbitmq": {
		make: func(t *testing.T, url string) {
			conn, ch := rabbitMQChannel(t, url)
			defer conn.Close()
			_, err := ch.QueueDeclare("kept", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
			require.NoError(t, err)
		},
		put: func(t *testing.T, url string) {
			conn, ch := rabbitMQChannel(t, url)
			defer conn.Close()
			require.NoError(t, ch.Confirm(false))
			sent, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", "kept", true, false, amqp.Publishing{Body: []byte("kept")})
			require.NoError(t, err)
			require.True(t, sent.Wait())
		},
		get: func(t *testing.T, url string) string {
			conn, ch := rabbitMQChannel(t, url)
			defer conn.Close()
			m, ok, err := ch.Get("kept", true)
			require.NoError(t, err)
			require.True(t, ok, "the queue is empty")
			return string(m.Body)
		},
	},
	"nats": {
		make: func(t *testing.T, url string) {
			conn, js := natsStream(t, url)
			defer conn.Close()
			_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}})
			require.NoError(t, err)
		},
		put: func(t *testing.T, url string) {
			conn, js := natsStream(t, url)
			defer conn.Close()
			_, err := js.Publish(t.Context(), "kept", []byte("kept"))
			require.NoError(t, err)
		},
		get: func(t *testing.T, url string) string {
			conn, js := natsStream(t, url)
			defer conn.Close()
			stream, err := js.Stream(t.Context(), "KEPT")
			require.NoError(t, err)
			m, err := stream.GetMsg(t.Context(), 1)
			require.NoError(t, err)
			return string(m.Data)
		},
	},
}

func redisClient(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	return redis.NewClient(options)
}

func rabbitMQChannel(t *testing.T, url string) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	ch, err := conn.Channel()
	require.NoError(t, err)
	return conn, ch
}

func natsStream(t *testing.T, url string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := nats.Connect(url)
	require.NoError(t, err)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return conn, js
}

func TestDataSurviveRestartsAndKillsAndNothingSurvivesTheStop(t *testing.T) {
	for kind, shelf := range shelves {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, err := kinds[kind]()
			require.NoError(t, err)
			url := s.URL
			shelf.make(t, url)
			require.NoError(t, s.Restart())
			shelf.put(t, url)

			before := traceOf(s)
			require.NoError(t, s.Kill())
			requireEnded(t, before.PIDs[1:])
			require.DirExists(t, before.Dir)
			require.NoError(t, s.Kill(), "there is nothing to kill")

			require.NoError(t, s.Restart())
			require.Equal(t, url, s.URL)
			assert.Equal(t, "kept", shelf.get(t, url))

			after := traceOf(s)
			require.NoError(t, s.Stop())
			requireEnded(t, after.PIDs)
			require.NoDirExists(t, before.Dir)
			require.NoError(t, s.Stop())
			require.ErrorContains(t, s.Restart(), "its data are gone")
		})
	}
}

func TestAFrozenServerAnswersNobodyUntilItIsThawed(t *testing.T) {
	s, err := Redis()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	ask := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := redisAsk(ctx, strings.TrimPrefix(s.URL, "redis://"), "INFO")
		return err
	}
	require.NoError(t, s.Freeze())
	require.ErrorIs(t, ask(300*time.Millisecond), os.ErrDeadlineExceeded)
	require.NoError(t, s.Thaw())
	require.NoError(t, ask(time.Minute))
	require.NoError(t, s.Freeze())
	require.NoError(t, s.Kill(), "a frozen server can be killed")
}

func TestSettingsReachTheServer(t *testing.T) {
	s, err := Redis("--appendfsync", "always")
	require.NoError(t, err)
	defer s.Stop()
	c := redisClient(t, s.URL)
	defer c.Close()
	got, err := c.ConfigGet(t.Context(), "appendfsync").Result()
	require.NoError(t, err)
	assert.Equal(t, "always", got["appendfsync"])

	_, err = NATS("no_such_setting: 1")
	require.ErrorContains(t, err, "no_such_setting", "the end of the server's log is in the error")
}

func TestAServerThatRunsAlreadyIsNobodysToKill(t *testing.T) {
	for kind, variable := range map[string]string{
		"redis": "TASKGEN_TEST_REDIS_URL", "rabbitmq": "TASKGEN_TEST_RABBITMQ_URL", "nats": "TASKGEN_TEST_NATS_URL",
		"sqs": "TASKGEN_TEST_SQS_ENDPOINT",
	} {
		t.Setenv(variable, "x://elsewhere:1")
		s, err := kinds[kind]()
		require.NoError(t, err)
		assert.Equal(t, "x://elsewhere:1", s.URL)
		assert.ErrorContains(t, s.Kill(), variable)
		assert.ErrorContains(t, s.Restart(), variable)
		assert.NoError(t, s.Stop())
	}
}

func TestAMissingServerIsAnErrorThatSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Redis()
	require.ErrorContains(t, err, "apt-get install redis-server")
	require.ErrorContains(t, err, "TASKGEN_TEST_REDIS_URL")
	_, err = NATS()
	require.ErrorContains(t, err, "TASKGEN_TEST_NATS_URL")
	_, err = SQS()
	require.ErrorContains(t, err, "apt-get install nodejs npm")
	require.ErrorContains(t, err, "TASKGEN_TEST_SQS_ENDPOINT")
	_, err = RabbitMQ() // where Debian's package is, only Erlang is missed
	require.Error(t, err)
}

func TestATakenPortIsGivenUpForAnother(t *testing.T) {
	laid := 0
	s, err := start("test", func(dir string) (plan, error) {
		laid++
		ports, err := freePorts(1)
		if err != nil {
			return plan{}, err
		}
		if laid < 3 { // somebody came first
			taken, err := net.Listen("tcp4", loopback(ports[0]))
			require.NoError(t, err)
			t.Cleanup(func() { taken.Close() })
		}
		d, err := redisDaemon("redis", dir, ports[0])
		return plan{loopback(ports[0]), []*daemon{d}}, err
	})
	require.NoError(t, err)
	defer s.Stop()
	assert.Equal(t, 3, laid)
}

func TestAServerThatEndsAtOnceIsNotTriedForEver(t *testing.T) {
	laid := 0
	_, err := start("test", func(string) (plan, error) {
		laid++
		return plan{"", []*daemon{{
			name: "test", argv: []string{"/bin/sh", "-c", "echo no luck; exit 3"},
			ready: func(context.Context, *daemon) error { return errors.New("not yet") },
		}}}, nil
	})
	require.ErrorIs(t, err, errEnded)
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "no luck")
	assert.Equal(t, attempts, laid)
	left, err := filepath.Glob(filepath.Join(t.TempDir(), "..", "taskgen-test-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAnotherServerOnThePortIsNotTakenForOurs(t *testing.T) {
	s, err := Redis()
	require.NoError(t, err)
	defer s.Stop()
	ours, addr := s.daemons[0].pid, s.URL[len("redis://"):]
	require.NoError(t, redisReady(t.Context(), addr, ours))
	require.Error(t, redisReady(t.Context(), addr, ours+1))
}
