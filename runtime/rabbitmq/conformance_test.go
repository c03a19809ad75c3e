package rabbitmq

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
)

func TestMain(m *testing.M) {
	drivertest.Child(harness)
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// harness is how the conformance suite gets at this provider. An address is a URL
// of the broker through a proxy of the test's own, and after a # the prefix of its
// names.
var harness = drivertest.Harness{
	Name: "rabbitmq",
	Home: drivertest.OnServer,
	Data: func(tb testing.TB) string {
		s := shared(tb)
		addr := roomWithPrefix(tb, s, spareLadder(tb, s.URL))
		roomOf(addr).leavesLadder.Store(true)
		return addr
	},
	Alone: alone,
	Open:  openAddr,
	Network: func(_ testing.TB, addr string) drivertest.Network {
		pl := roomOf(addr)
		pl.leavesLadder.Store(false) // what is on its way may come late
		return pl.proxy
	},
	Swallow: func(_ testing.TB, addr string) func() {
		pl := roomOf(addr)
		pl.leavesLadder.Store(false)
		pl.proxy.Swallow()
		return pl.proxy.Heal
	},
	Fill:  choke,
	Jams:  true,
	Large: 1 << 20,
	Restart: func(tb testing.TB, addr string) {
		s := roomOf(addr).server
		require.NoError(tb, s.Kill())
		require.NoError(tb, s.Restart())
	},
	Crash: func(tb testing.TB, addr string) {
		s := roomOf(addr).server
		require.NoError(tb, s.Kill())
		require.NoError(tb, s.Restart())
	},
	Raw: func(tb testing.TB, addr string, q driver.Queue, body []byte) bool {
		raw(tb, roomOf(addr).server.URL, prefixOf(addr).line(q.Config().Name, 0), amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		return true
	},
	MaxRaw: maxMessage,
	Downgrades: map[drivertest.Law]string{
		drivertest.Contract:              "RabbitMQ does not know which IDs are on a queue, and a delivery lasts only as long as its channel",
		drivertest.NothingIsLost:         "a lease is a delivery of the broker: it ends with its process, and the task comes back at once instead of when the lease is over; unique keys are not kept",
		drivertest.LeasesHold:            "leases end by the clock of the process that holds them: the broker does not fence a task that the process gave back",
		drivertest.StaleReceipts:         "a receipt is valid only in the process that received the task",
		drivertest.OrderWherePromised:    "a released task goes to the end of its level",
		drivertest.DuplicatesAreReported: "RabbitMQ keeps no unique keys: a task with one is refused",
		drivertest.AcksSurviveTrouble:    "a delivery cannot be acknowledged over another connection: when one is cut, the tasks that were leased over it run again",
		drivertest.StatsTellTheTruth:     "RabbitMQ reports neither the age of the first message of a queue nor the queues to which delayed tasks, and those on a shared dead letter queue, belong",
	},
}

// shared is the broker of all tests that leave it alone.
var sharedServer = sync.OnceValues(func() (*testserver.Server, error) {
	return testserver.RabbitMQ(fmt.Sprintf("max_message_size = %d", maxMessage))
})

// maxMessage is what that takes, in bytes: a payload of the full size, and little more.
const maxMessage = maxPayload + 1<<20

func shared(tb testing.TB) *testserver.Server {
	s, err := sharedServer()
	require.NoError(tb, err)
	return s
}

// alone is a broker of the test's own. A quorum queue that is younger than a second
// or so can lose what it has confirmed when its broker is killed: tests that do
// that let their queues settle.
func alone(tb testing.TB) string {
	s, err := testserver.RabbitMQ()
	require.NoError(tb, err)
	addr := room(tb, s)
	roomOf(addr).alone = true
	return addr
}

// A place is what one test has of a broker.
type place struct {
	server *testserver.Server
	proxy  *faultproxy.Proxy
	alone  bool // the broker is the test's, and goes with it
	// leavesLadder says that a later test may have the prefix, with its ladder.
	leavesLadder atomic.Bool

	mu     sync.Mutex
	queues map[string]driver.QueueConfig
	opened []*Provider
}

var (
	places   sync.Map
	prefixes atomic.Int64
)

func roomOf(addr string) *place {
	v, _ := places.Load(addr)
	p, _ := v.(*place)
	return p
}

func room(tb testing.TB, s *testserver.Server) string { return roomWithPrefix(tb, s, newPrefix()) }

func newPrefix() string { return fmt.Sprintf("t%d-%d.", os.Getpid(), prefixes.Add(1)) }

func roomWithPrefix(tb testing.TB, s *testserver.Server, prefix string) string {
	at, err := url.Parse(s.URL)
	require.NoError(tb, err)
	proxy, err := faultproxy.Listen(at.Host)
	require.NoError(tb, err)
	at.Host = proxy.Addr()
	at.Fragment = prefix
	addr := at.String()
	pl := &place{server: s, proxy: proxy, queues: make(map[string]driver.QueueConfig)}
	places.Store(addr, pl)
	tb.Cleanup(func() {
		if pl.alone {
			require.NoError(tb, s.Stop())
		} else {
			pl.wipe(tb, s.URL, prefix)
		}
		require.NoError(tb, proxy.Close())
		places.Delete(addr)
	})
	return addr
}

// wipe removes what the test declared: a broker is slow with thousands of queues.
func (pl *place) wipe(tb testing.TB, url, prefix string) {
	conn, err := amqp.Dial(url)
	if err != nil {
		tb.Logf("leave the queues of %s behind: %v", prefix, err)
		return
	}
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(tb, err)
	n := namesOf(prefix)
	var queues, exchanges []string
	for _, cfg := range pl.queues {
		for i := range lines(cfg) {
			queues = append(queues, n.line(cfg.Name, i))
		}
		queues = append(queues, n.gate(cfg.Name), n.line(cfg.DLQ, 0))
		exchanges = append(exchanges, n.plan(cfg.Name), n.plan(cfg.DLQ), n.deadExchange(cfg.DLQ), n.backstop(cfg.Name))
	}
	queues, exchanges = append(queues, n.presenceQueue()), append(exchanges, n.presence())
	leavesLadder := pl.leavesLadder.Load() && !tb.Failed()
	if !leavesLadder {
		queues, exchanges = append(queues, ladderQueues(n)...), append(append(exchanges, n.due()), ladderQueues(n)...)
	}
	for _, name := range queues {
		_, err = ch.QueueDelete(name, false, false, false)
		require.NoError(tb, err)
	}
	for _, name := range exchanges {
		require.NoError(tb, ch.ExchangeDelete(name, false, false))
	}
	if leavesLadder {
		spareLadders.Lock()
		defer spareLadders.Unlock()
		spareLadders.prefixes = append(spareLadders.prefixes, prefix)
	}
}

// ladderQueues are the names of the queues of a ladder, and of the exchanges before them.
func ladderQueues(n names) []string {
	all := []string{n.unclaimed()}
	for k := range steps {
		all = append(all, n.wait(k))
	}
	return all
}

// spareLadders are the prefixes of tests that have ended, whose ladders were left to later
// ones. To make and remove the quorum queues of a ladder takes a broker longer than most
// tests do.
var spareLadders struct {
	sync.Mutex
	prefixes []string
}

// spareLadder returns a prefix whose ladder is there and empty, or else a new prefix.
func spareLadder(tb testing.TB, url string) string {
	for {
		prefix, ok := takeSpareLadder()
		if !ok {
			return newPrefix()
		}
		if ladderIsEmpty(tb, url, prefix) {
			return prefix
		}
	}
}

func takeSpareLadder() (prefix string, ok bool) {
	spareLadders.Lock()
	defer spareLadders.Unlock()
	if len(spareLadders.prefixes) == 0 {
		return "", false
	}
	prefix = spareLadders.prefixes[0] // the one that has been at rest for longest
	spareLadders.prefixes = spareLadders.prefixes[1:]
	return prefix, true
}

// ladderIsEmpty reports whether a ladder is there, and empty.
func ladderIsEmpty(tb testing.TB, url, prefix string) bool {
	conn, err := amqp.Dial(url)
	require.NoError(tb, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(tb, err)
	for _, name := range ladderQueues(namesOf(prefix)) {
		if q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil); err != nil || q.Messages > 0 || q.Consumers > 0 {
			return false
		}
	}
	return true
}

// choke raises the alarm for memory, and waits until all who are there have heard it.
func choke(tb testing.TB, addr string) (empty func()) {
	heard := func(want bool) func() bool {
		return func() bool {
			pl := roomOf(addr)
			pl.mu.Lock()
			defer pl.mu.Unlock()
			return !slices.ContainsFunc(pl.opened, func(p *Provider) bool { return !p.isClosed() && p.blocked() != want })
		}
	}
	alarmOn(tb, addr)
	require.Eventually(tb, heard(true), soon, time.Millisecond)
	return func() {
		alarmOff(tb, addr)
		require.Eventually(tb, heard(false), soon, time.Millisecond)
	}
}

func openAddr(addr string, _ driver.Clock) (driver.Provider, error) { return openWith(addr) }

func openWith(addr string, opts ...Option) (driver.Provider, error) {
	at, prefix, _ := strings.Cut(addr, "#")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p, err := Open(ctx, at, append(opts, WithPrefix(prefix))...)
	if err != nil {
		return nil, err
	}
	if pl := roomOf(addr); pl != nil {
		pl.mu.Lock()
		defer pl.mu.Unlock()
		pl.opened = append(pl.opened, p)
		return noting{p, pl}, nil
	}
	return p, nil
}

// noting remembers which queues a test opened.
type noting struct {
	*Provider
	at *place
}

func (n noting) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	q, err := n.Provider.Open(ctx, cfg)
	if err == nil {
		n.at.mu.Lock()
		defer n.at.mu.Unlock()
		n.at.queues[cfg.Name] = q.Config()
	}
	return q, err
}

func TestTheProviderKeepsTheLaws(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, harness)
}
