package sqs

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// client talks to a server on loopback.
func client(endpoint string) *awssqs.Client {
	return awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// emulator is fauxqs, shared by all tests of the package. It is stopped in
// TestMain.
var emulator = sync.OnceValues(testserver.SQS)

// An endpoint is one test's way to its server.
type endpoint struct {
	proxy *faultproxy.Proxy
	fake  *sqstest.Server
	clock *lateClock
}

var (
	endpoints     sync.Map // by address
	endpointCount atomic.Int64
)

func at(tb testing.TB, addr string) *endpoint {
	p, ok := endpoints.Load(addr)
	require.True(tb, ok, "no place at %s", addr)
	return p.(*endpoint)
}

// newEndpoint puts a proxy before a server, for one test.
func newEndpoint(tb testing.TB, url string, p *endpoint) string {
	proxy, err := faultproxy.Listen(strings.TrimPrefix(url, "http://"))
	require.NoError(tb, err)
	p.proxy = proxy
	addr := fmt.Sprintf("http://%s|t%d-%d-", proxy.Addr(), os.Getpid(), endpointCount.Add(1))
	endpoints.Store(addr, p)
	tb.Cleanup(func() {
		endpoints.Delete(addr)
		require.NoError(tb, proxy.Close())
	})
	return addr
}

func onEmulator(tb testing.TB) string {
	s, err := emulator()
	require.NoError(tb, err)
	return newEndpoint(tb, s.URL, &endpoint{})
}

// A lateClock is the clock of a fake that is started before the clock of its test
// is known.
type lateClock struct{ atomic.Pointer[driver.Clock] }

func (c *lateClock) now() driver.Clock {
	if clock := c.Load(); clock != nil {
		return *clock
	}
	return driver.SystemClock
}

func (c *lateClock) Now() time.Time { return c.now().Now() }

func (c *lateClock) AfterFunc(d time.Duration, f func()) driver.Timer {
	return c.now().AfterFunc(d, f)
}

// onFake starts a fake that takes the liberties of AWS, as far as the test allows.
func onFake(tb testing.TB) string {
	clock := &lateClock{}
	s := sqstest.New(clock)
	s.LongestPoll = 250 * time.Millisecond // Close waits for polls, and the clock stands still
	if !strings.Contains(tb.Name(), strings.ReplaceAll(drivertest.OrderWherePromised.String(), " ", "_")) {
		s.Shuffle = true
		s.SetHook(missing)
	}
	require.NoError(tb, s.Start())
	tb.Cleanup(s.Stop)
	return newEndpoint(tb, s.URL(), &endpoint{fake: s, clock: clock})
}

// missing has every other short poll find nothing, as one does that asked those servers
// alone which have nothing.
func missing(c sqstest.Call) sqstest.Fault {
	return sqstest.Fault{Empty: c.Operation == "ReceiveMessage" && rand.IntN(2) == 0}
}

// trail is how far the counts of a fake trail that keeps time by the machine's clock. Where
// the suite moves the time they are to be right at once.
const trail = 100 * time.Millisecond

func openAt(more ...Option) func(string, driver.Clock) (driver.Provider, error) {
	return func(addr string, clock driver.Clock) (driver.Provider, error) {
		url, prefix, _ := strings.Cut(addr, "|")
		opts := append([]Option{WithClock(clock), WithPrefix(prefix), WithWait(time.Second)}, more...)
		if p, ok := endpoints.Load(addr); ok && p.(*endpoint).fake != nil {
			p.(*endpoint).clock.Store(&clock)
			if clock == driver.SystemClock {
				p.(*endpoint).fake.TrailCounts(trail)
			}
		}
		p, err := New(client(url), opts...)
		if err == nil {
			p.walkLease = 5 * time.Second // tests of a redrive that was cut wait for its end
		}
		return p, err
	}
}

func total(p driver.Provider) (n int64) {
	for _, of := range p.(*Provider).Requests() {
		n += of
	}
	return n
}

// The reasons why SQS cannot keep a law in full.
var reasons = map[drivertest.Law]string{
	drivertest.LeasesHold:            "SQS does not fence: at the end of a lease, Extend and a redelivery may both succeed",
	drivertest.Contract:              "SQS does not refuse an ID that is on the queue",
	drivertest.StaleReceipts:         "SQS does not fence: a receipt handle that a later receive has replaced may still delete the message; within a process the local lease clock prevents it",
	drivertest.DuplicatesAreReported: "SQS does not report who holds a key: its deduplication drops a message silently, for five minutes, and only on fifo queues; tasks with a unique key are refused",
	drivertest.DiesOfItsOwnRuns:      "SQS may answer a receive whose worker was killed, and a worker receives from several levels at once: each receive that ends without an outcome counts as a crash",
	drivertest.StatsTellTheTruth:     "SQS does not count dead tasks by their origin, and reports the age of the oldest message only to CloudWatch",
}

func with(more map[drivertest.Law]string) map[drivertest.Law]string {
	all := maps.Clone(reasons)
	maps.Copy(all, more)
	return all
}

// publish sends a message as another program may. SQS takes text alone, and no empty one.
func publish(tb testing.TB, addr string, q driver.Queue, body []byte) bool {
	text := string(body)
	if text == "" || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !allowed(r, 3) }) {
		return false
	}
	url, _, _ := strings.Cut(addr, "|")
	to := q.(*Queue).state.sources[0]
	in := &awssqs.SendMessageInput{QueueUrl: &to.url, MessageBody: &text}
	if to.fifo {
		id := fmt.Sprint("raw-", raws.Add(1))
		in.MessageGroupId, in.MessageDeduplicationId = &id, &id
	}
	_, err := client(url).SendMessage(tb.Context(), in)
	require.NoError(tb, err)
	return true
}

var raws atomic.Int64 // messages of other programs up to now

func harness(name string, kind driver.QueueType, more map[drivertest.Law]string) drivertest.Harness {
	return drivertest.Harness{
		Name: name, Home: drivertest.OnServer, Type: kind,
		Data: onEmulator, Open: openAt(), Cost: total,
		Network: func(tb testing.TB, addr string) drivertest.Network { return at(tb, addr).proxy },
		Raw:     publish,
		MaxRaw:  128 << 10, // emulators are slow with more
		Swallow: func(tb testing.TB, addr string) func() {
			p := at(tb, addr).proxy
			p.Swallow()
			return p.Heal
		},
		Downgrades: with(more),
	}
}

// faked is a harness on our own server, which takes the suite's clock and keeps
// its queues when it is restarted.
func faked(h drivertest.Harness, more map[drivertest.Law]string) drivertest.Harness {
	h.Name += "-fake"
	h.Data, h.UsesClock, h.Large = onFake, true, 0
	h.MaxRaw = maxBatchSize - reserve // a larger one is buried without its reason
	h.Restart = func(tb testing.TB, addr string) {
		s := at(tb, addr).fake
		s.Stop()
		// Whoever was given its port meanwhile gives it back.
		require.Eventually(tb, func() bool { return s.Start() == nil }, soon, 10*time.Millisecond)
	}
	h.Crash = h.Restart // whatever way it ends, it has answered nothing that it does not keep
	h.Downgrades = maps.Clone(h.Downgrades)
	h.Downgrades[drivertest.NothingIsLost] = "there are no unique keys to be kept"
	delete(h.Downgrades, drivertest.DoneStaysDone)
	maps.Copy(h.Downgrades, more)
	return h
}

// large is a harness with large payloads. One has them: what they cost is time, and the
// way that they go is the same on all.
func large(h drivertest.Harness) drivertest.Harness {
	h.Large = 256 << 10
	return h
}

const (
	uncounted = "a message of a fifo queue cannot be changed without losing its place, and its receive count says how often its group was fetched: crashes are counted only for a task that was received more often than MaxDeliveries"
	hiding    = "with RetryByVisibility the receive count is the attempt, and a crash costs a retry"
	stopped   = ": a task that kills its process is stopped when its deliveries are above its retries and MaxDeliveries"
)

const forgetful = "the emulator keeps nothing when it is restarted; on package sqstest nothing is lost"

// byVisibility is a harness whose provider retries by visibility.
func byVisibility(h drivertest.Harness) drivertest.Harness {
	h.Name = "sqs-visibility-fake"
	h.Open = openAt(RetryByVisibility())
	return h
}

var (
	standardHarness = large(harness("sqs-standard", driver.Standard, map[drivertest.Law]string{drivertest.NothingIsLost: forgetful, drivertest.DoneStaysDone: forgetful}))
	fifoHarness     = harness("sqs-fifo", driver.FIFO, map[drivertest.Law]string{
		drivertest.NothingIsLost:         forgetful,
		drivertest.DoneStaysDone:         forgetful,
		drivertest.PoisonDoesNotLoop:     uncounted + ": a task that kills its process is stopped after twice MaxDeliveries",
		drivertest.CrashesAreNotFailures: uncounted,
		drivertest.DiesOfItsOwnRuns:      uncounted,
		drivertest.OrderWherePromised:    "SQS chooses which group is next: where workers take one task at a time, a long group may go before others",
	})
	priorityHarness = harness("sqs-priority", driver.Priority, map[drivertest.Law]string{
		drivertest.NothingIsLost:      forgetful,
		drivertest.DoneStaysDone:      forgetful,
		drivertest.OrderWherePromised: "each level is a standard queue of SQS, which keeps the order of arrival only roughly",
	})

	standardFake = faked(standardHarness, nil)
	fifoFake     = faked(fifoHarness, nil)
	priorityFake = faked(priorityHarness, nil)

	visibilityFake = byVisibility(faked(standardHarness, map[drivertest.Law]string{
		drivertest.PoisonDoesNotLoop:     hiding + stopped,
		drivertest.CrashesAreNotFailures: hiding,
		drivertest.DiesOfItsOwnRuns:      hiding,
	}))
)

var harnesses = []drivertest.Harness{standardHarness, standardFake, fifoHarness, fifoFake, priorityHarness, priorityFake, visibilityFake}

func TestEachTypeKeepsTheLaws(t *testing.T) {
	t.Parallel()
	var suites sync.WaitGroup
	for _, h := range harnesses {
		suites.Go(func() {
			t.Run(h.Name, func(t *testing.T) { drivertest.Run(t, h) })
		})
	}
	suites.Wait()
}
