package sqs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of SQS itself.
const (
	maxBatch     = 10
	maxBatchSize = 1 << 20          // bytes of one request, all messages together
	maxDelay     = 15 * time.Minute // of one message; longer delays hop
	maxLease     = 12 * time.Hour   // from the receive, all extensions together
	maxWait      = 20 * time.Second
	maxRetention = 14 * 24 * time.Hour
	maxReceives  = 1000 // the highest maxReceiveCount of a redrive policy
)

// Defaults of the options.
const (
	defaultPolls = 8
	// unset is a duration that the caller did not give.
	unset time.Duration = math.MinInt64
)

// An Option changes how New works.
type Option func(*options)

type options struct {
	prefix       string
	clock        driver.Clock
	log          *slog.Logger
	forbidCreate bool
	wait         time.Duration
	polls        int
	closeWait    time.Duration
	walkLease    time.Duration // no option: see defaultWalkLease
	store        Store
	byVisibility bool
	fairEvery    int
	existing     map[string]Existing // by name of queue
}

// WithPrefix sets a prefix for the name of every SQS queue, to separate environments that
// share an account. Letters, digits, - and _.
func WithPrefix(prefix string) Option { return func(o *options) { o.prefix = prefix } }

// WithClock sets the clock for leases and due times; driver.SystemClock by default.
func WithClock(c driver.Clock) Option { return func(o *options) { o.clock = c } }

// WithLogger sets the logger for problems that no caller gets as an error, such as a message
// that cannot be buried for now, and for what the provider assumes of queues that it may not
// inspect. The default, also for nil, is slog.Default at the time of the record.
// slog.New(slog.DiscardHandler) is silent.
func WithLogger(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// WithoutCreate makes Open refuse a missing queue instead of creating it: for programs
// without the permission sqs:CreateQueue, and for queues that are declared elsewhere.
func WithoutCreate() Option { return func(o *options) { o.forbidCreate = true } }

// WithWait sets how long a poll of an empty queue waits, 1 s to 20 s. By default it is
// 5 s, and 20 s once nothing has arrived for five minutes. Shorter waits cost more
// requests and let a pool and Close end sooner, because both wait for polls in
// progress.
func WithWait(d time.Duration) Option { return func(o *options) { o.wait = d } }

// WithMaxPolls bounds the concurrent polls of one SQS queue; 8 by default. There is one
// while the queue has few messages, and twice as many after each poll that comes back
// full. Each uses a connection: see the package comment on the HTTP client.
func WithMaxPolls(n int) Option { return func(o *options) { o.polls = n } }

// WithCloseWait bounds how long Close waits for polls in progress; by default as long
// as a poll may take, so that none is cut off. A poll that is cut off may have received
// messages, which come back when their lease ends. 0 cuts polls off at once. After that
// Close gives received messages back, for 5 s at most.
func WithCloseWait(d time.Duration) Option { return func(o *options) { o.closeWait = d } }

// A Store keeps payloads that are too large for SQS: S3, a file system, a database. It
// must be safe for concurrent use. Get of a missing key returns an error that wraps
// [ErrNotStored].
type Store interface {
	Put(ctx context.Context, key string, data []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
	Delete(ctx context.Context, key string) error
}

// WithStore keeps payloads that do not fit into a message in a store, and sends their key
// in the message: the claim check pattern. A payload is stored before its message is sent
// and deleted after its task was completed. If a process dies in between it stays in the
// store, so let the store expire objects after the retention of the queue, 14 days.
func WithStore(s Store) Option { return func(o *options) { o.store = s } }

// RetryByVisibility makes a retry on a standard or priority queue hide the message for
// its delay instead of sending it again: one request less per retry. In return the
// receive count is the attempt, so that a crash of a worker costs a retry, and metadata
// that a failed run wrote is lost. A redrive policy of the queue must allow 1000
// receives.
func RetryByVisibility() Option { return func(o *options) { o.byVisibility = true } }

// WithStarvationFree makes every n-th Dequeue of a priority queue check the lowest
// level first, so that it gets its share even if there are many urgent tasks. Without
// this option levels are strict. n is at least 2.
func WithStarvationFree(n int) Option { return func(o *options) { o.fairEvery = n } }

func (o *options) logger() *slog.Logger { return cmp.Or(o.log, slog.Default()) }

func newOptions(opts []Option) (options, error) {
	o := options{clock: driver.SystemClock, wait: unset, polls: defaultPolls, closeWait: unset, walkLease: defaultWalkLease}
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case o.wait != unset && (o.wait < time.Second || o.wait > maxWait):
		return o, fmt.Errorf("sqs: a poll waits for 1s to 20s, not %s", o.wait)
	case o.polls < 1:
		return o, fmt.Errorf("sqs: at least 1 poll, not %d", o.polls)
	case o.closeWait != unset && o.closeWait < 0:
		return o, fmt.Errorf("sqs: Close cannot wait for %s", o.closeWait)
	case o.fairEvery == 1 || o.fairEvery < 0:
		return o, fmt.Errorf("sqs: WithStarvationFree takes 2 and more, not %d", o.fairEvery)
	}
	return o, (names{prefix: o.prefix}).check()
}
