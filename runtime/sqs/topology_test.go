package sqs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
)

// declare creates a queue as somebody else would, and returns its ARN.
func declare(t *testing.T, b *bench, name string, attributes map[string]string) string {
	t.Helper()
	made, err := b.p.api.CreateQueue(within(t), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	got, err := b.p.api.GetQueueAttributes(within(t), &awssqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	require.NoError(t, err)
	return got.Attributes["QueueArn"]
}

func TestOpenSaysHowToMendAQueueThatDoesNotFit(t *testing.T) {
	t.Parallel()
	const week = "604800"
	for name, c := range map[string]struct {
		queue, dlq map[string]string
		cfg        driver.QueueConfig
		want       string
	}{
		"a default delay":      {queue: map[string]string{"DelaySeconds": "5", "FifoQueue": "true"}, dlq: map[string]string{"FifoQueue": "true", "MessageRetentionPeriod": "1209600"}, cfg: driver.QueueConfig{Type: driver.FIFO}, want: "DelaySeconds=5"},
		"tiny messages":        {queue: map[string]string{"MaximumMessageSize": "1024"}, want: "MaximumMessageSize"},
		"a short retention":    {queue: map[string]string{"MessageRetentionPeriod": "60"}, cfg: driver.QueueConfig{Retention: time.Hour}, want: "MessageRetentionPeriod"},
		"a dlq that forgets":   {queue: map[string]string{"MessageRetentionPeriod": week}, dlq: map[string]string{"MessageRetentionPeriod": "3600"}, want: "earlier than q"},
		"a policy that is low": {queue: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"ARN","maxReceiveCount":"10"}`}, want: "set maxReceiveCount to 16"},
		"another dlq":          {queue: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"OTHER","maxReceiveCount":50}`}, want: "change the policy"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			dlq := map[string]string{"MessageRetentionPeriod": "1209600"}
			if c.dlq != nil {
				dlq = c.dlq
			}
			suffix := ""
			if c.cfg.Type == driver.FIFO {
				suffix = ".fifo"
			}
			arn, other := declare(t, b, "q-dlq"+suffix, dlq), declare(t, b, "other", nil)
			if policy := c.queue["RedrivePolicy"]; policy != "" {
				c.queue["RedrivePolicy"] = strings.NewReplacer("ARN", arn, "OTHER", other).Replace(policy)
			}
			declare(t, b, "q"+suffix, c.queue)
			c.cfg.Name = "q"
			_, err := b.p.Open(within(t), c.cfg)
			require.ErrorIs(t, err, driver.ErrQueueMismatch)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestAPolicyIsRefusedThatWouldMoveTasksThatLive follows what the error says.
func TestAPolicyIsRefusedThatWouldMoveTasksThatLive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names string
		cfg   driver.QueueConfig
		opts  []Option
		least int
	}{
		{"q", driver.QueueConfig{}, nil, 16},
		{"q", driver.QueueConfig{MaxDeliveries: 1}, nil, 3},
		{"q", driver.QueueConfig{MaxDeliveries: 300}, nil, 451},
		{"q--p0 q--p1", driver.QueueConfig{Type: driver.Priority, Levels: 2}, nil, 16},
		{"q.fifo", fifo, nil, 1000},
		{"q", driver.QueueConfig{}, []Option{RetryByVisibility()}, 1000},
		{"q--p0 q--p1", driver.QueueConfig{Type: driver.Priority, Levels: 2}, []Option{RetryByVisibility()}, 1000},
	} {
		b := briefBench(t)
		dlq, attributes := "q-dlq", map[string]string{"MessageRetentionPeriod": "1209600"}
		if c.cfg.Type == driver.FIFO {
			dlq, attributes["FifoQueue"] = "q-dlq.fifo", "true"
		}
		arn := declare(t, b, dlq, attributes)
		for _, name := range strings.Fields(c.names) {
			declare(t, b, name, attributes)
		}
		c.cfg.Name = "q"
		policy := func(receives int) {
			for _, name := range strings.Fields(c.names) {
				r, err := b.p.url(within(t), name)
				require.NoError(t, err)
				_, err = b.p.api.SetQueueAttributes(within(t), &awssqs.SetQueueAttributesInput{QueueUrl: &r, Attributes: map[string]string{
					"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, arn, receives),
				}})
				require.NoError(t, err)
			}
		}
		policy(c.least - 1)
		_, err := b.provider(t, c.opts...).Open(within(t), c.cfg)
		require.ErrorIs(t, err, driver.ErrQueueMismatch)
		require.ErrorContains(t, err, fmt.Sprintf("set maxReceiveCount to %d", c.least))
		policy(c.least)
		_, err = b.provider(t, c.opts...).Open(within(t), c.cfg)
		require.NoError(t, err)
		c.cfg.MaxDeliveries = 700
		_, err = b.provider(t, c.opts...).Open(within(t), c.cfg)
		require.ErrorContains(t, err, "lower MaxDeliveries to 666")
		policy(maxReceives)
		c.cfg.MaxDeliveries = 666
		_, err = b.provider(t, c.opts...).Open(within(t), c.cfg)
		require.NoError(t, err)
	}
}

// TestSQSMovesNothingBeforeTheRuntimeBuriesIt has the lowest policy that is taken.
func TestSQSMovesNothingBeforeTheRuntimeBuriesIt(t *testing.T) {
	t.Parallel()
	const deliveries = 4
	b := newBench(t)
	arn := declare(t, b, "q-dlq", nil)
	least, _ := b.p.leastReceives(driver.QueueConfig{MaxDeliveries: deliveries})
	declare(t, b, "q", map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, arn, least)})
	q := openQueue(t, b.p, driver.QueueConfig{MaxDeliveries: deliveries})
	put(t, q, "a")
	for crashes := range (deliveries+1)/2 + deliveries + 1 {
		require.Equal(t, crashes, take(t, q, 1)[0].Crashes) // at the last of which a pool buries it
		b.clock.Advance(time.Minute)
	}
}

func TestARetryByVisibilityIsSentAnewBeforeSQSMovesIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, RetryByVisibility())
	q := openQueue(t, b.p, driver.QueueConfig{})
	enqueue(t, q, task(q, "a", func(t *driver.Task) { t.MaxRetries = 2 * maxReceives }))
	for n := range maxReceives + 10 {
		d := take(t, q, 1)
		require.Equal(t, n, d[0].Task.RetryCount)
		d[0].Task.RetryCount++
		require.NoError(t, q.Release(within(t), d))
	}
}

func TestByVisibilityOnlyARunIsCharged(t *testing.T) {
	t.Parallel()
	b := newBench(t, RetryByVisibility())
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a")
	for range 20 {
		require.NoError(t, q.Release(within(t), take(t, q, 1)))
	}
	other := openQueue(t, b.provider(t, RetryByVisibility()), driver.QueueConfig{}) // it remembers nothing
	d := take(t, other, 1)
	require.Zero(t, d[0].Task.RetryCount)
	d[0].Task.RetryCount++
	require.NoError(t, other.Release(within(t), d))
	require.Equal(t, 1, take(t, q, 1)[0].Task.RetryCount, "SQS has counted the run")
}

func TestAQueueThatFitsIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arn := declare(t, b, "q-dlq", nil)
	declare(t, b, "q", map[string]string{"MaximumMessageSize": "262144", "RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":16}`})
	p := b.provider(t, WithoutCreate())
	q := openQueue(t, p, driver.QueueConfig{})
	require.Equal(t, 262144-reserve, q.Capabilities().MaxPayload)
	require.Zero(t, p.Requests()["CreateQueue"])
	put(t, q, "a")
	first(t, q)

	dead := openQueue(t, b.provider(t), driver.QueueConfig{Name: "q-dlq"}) // known by its source, it has no tag
	require.ErrorIs(t, dead.DeadLetter(within(t), nil), driver.ErrUnsupported)
}

func TestWithoutCreateRefusesAMissingQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t, WithoutCreate())
	_, err := b.p.Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorContains(t, err, "q-dlq does not exist")
	require.Empty(t, b.Requests()["CreateQueue"])
}

func TestACreatedQueueHasItsDeadLetterQueueAsBackstop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  driver.QueueConfig
		name string
		want string
	}{
		{driver.QueueConfig{MaxDeliveries: 5}, "q", `"maxReceiveCount":30`},
		{driver.QueueConfig{Type: driver.FIFO}, "q.fifo", `"maxReceiveCount":1000`},
		{driver.QueueConfig{Type: driver.Priority}, "q--p3", `"maxReceiveCount":40`},
		{driver.QueueConfig{MaxDeliveries: 5000}, "q", ""},
	} {
		b := newBench(t)
		openQueue(t, b.p, c.cfg)
		r, err := b.p.find(within(t), c.name, "q")
		require.NoError(t, err)
		got, err := b.p.api.GetQueueAttributes(within(t), &awssqs.GetQueueAttributesInput{QueueUrl: &r.url, AttributeNames: []types.QueueAttributeName{"RedrivePolicy"}})
		require.NoError(t, err)
		if c.want == "" {
			require.Empty(t, got.Attributes["RedrivePolicy"])
		} else {
			require.Contains(t, got.Attributes["RedrivePolicy"], c.want)
		}
		_, err = b.provider(t).Open(within(t), driver.QueueConfig{Name: "q", Type: c.cfg.Type, MaxDeliveries: c.cfg.MaxDeliveries})
		require.NoError(t, err, "what was created is accepted")
	}
}

func TestNamesThatSQSCannotHaveAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, cfg := range []driver.QueueConfig{{Name: "a.b"}, {Name: "é"}, {Name: strings.Repeat("x", 80)}, {Name: "q", DLQ: "a b"}} {
		_, err := b.p.Open(within(t), cfg)
		require.ErrorIs(t, err, driver.ErrInvalidQueue, "%q", cfg.Name)
	}
	_, err := New(client(b.URL()), WithPrefix("a/b"))
	require.ErrorIs(t, err, driver.ErrInvalidQueue)
	for _, opt := range []Option{WithWait(0), WithWait(21 * time.Second), WithMaxPolls(0), WithStarvationFree(1), WithCloseWait(-1)} {
		_, err := New(client(b.URL()), opt)
		require.Error(t, err)
	}
}

func TestAPriorityQueueIsOpenedWithAllItsLevels(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	openQueue(t, b.p, driver.QueueConfig{Type: driver.Priority, Levels: 4})
	_, err := b.provider(t).Open(within(t), driver.QueueConfig{Name: "q", Type: driver.Priority, Levels: 3})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
}

func TestStarvationFreeGivesTheLowestLevelItsShare(t *testing.T) {
	t.Parallel()
	b := newBench(t, WithStarvationFree(3))
	q := openQueue(t, b.p, driver.QueueConfig{Type: driver.Priority, Levels: 2})
	for _, id := range numbered(9) {
		enqueue(t, q, task(q, "high-"+id, func(t *driver.Task) { t.Priority = 1 }), task(q, "low-"+id))
	}
	var levels []int
	for range 9 {
		levels = append(levels, first(t, q).Task.Priority)
	}
	require.Equal(t, []int{1, 1, 0, 1, 1, 0, 1, 1, 0}, levels)
}

func TestRetryByVisibilitySendsNothingAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, RetryByVisibility())
	q := openQueue(t, b.p, driver.QueueConfig{})
	require.False(t, q.Capabilities().ForgivesCrashes)
	put(t, q, "a")
	sent := b.p.Requests()["SendMessageBatch"]
	for n := range 3 {
		d := take(t, q, 1)
		require.Equal(t, n, d[0].Task.RetryCount)
		d[0].Task.RetryCount++
		d[0].Delay = time.Hour
		require.NoError(t, q.Release(within(t), d))
		nothing(t, q)
		b.clock.Advance(time.Hour)
	}
	require.Equal(t, sent, b.p.Requests()["SendMessageBatch"])
	d := take(t, q, 1)
	d[0].Task.RetryCount++
	d[0].Delay = 13 * time.Hour
	require.ErrorIs(t, q.Release(within(t), d), driver.ErrUnsupported)
}

func TestStartRedriveLetsSQSMoveTheDead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	startsRedrive(t, b.p, func() { b.clock.Advance(time.Minute) })
}

// The other emulator has no move tasks.
func TestStartRedriveLetsSQSMoveTheDeadOnAnEmulator(t *testing.T) {
	t.Parallel()
	s, err := testserver.SQSEmulator(testserver.LocalAWSSQS)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	p, err := New(client(s.URL), WithWait(time.Second))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	startsRedrive(t, p, func() {})
}

func startsRedrive(t *testing.T, p *Provider, pass func()) {
	q := openQueue(t, p, driver.QueueConfig{})
	put(t, q, numbered(5)...)
	ds := take(t, q, 5)
	for _, d := range ds {
		d.Task.RetryCount = 3
		driver.RecordDeath(d.Task, "q", p.clock.Now(), driver.ErrTimeout)
	}
	require.NoError(t, q.DeadLetter(within(t), ds))
	handle, err := q.StartRedrive(within(t), 0)
	require.NoError(t, err)
	require.NotEmpty(t, handle)
	pass()
	for _, d := range take(t, q, 5) {
		require.Zero(t, d.Task.RetryCount)
		require.Equal(t, "q-dlq", d.Task.Metadata[driver.MetaRedrivenFrom])
		require.Equal(t, "1", d.Task.Metadata[driver.MetaRedriveCount])
	}
}

func TestStartRedriveRefusesWhatItWouldMixUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := openQueue(t, b.p, driver.QueueConfig{Name: "a", DLQ: "graves"})
	openQueue(t, b.p, driver.QueueConfig{Name: "b", DLQ: "graves"})
	f := openQueue(t, b.p, driver.QueueConfig{Name: "f", Type: driver.FIFO})
	for _, q := range []*Queue{a, f} {
		_, err := q.StartRedrive(within(t), 0)
		require.ErrorIs(t, err, driver.ErrUnsupported)
	}
}

func TestRedriveTakesItsOwnDeadAlone(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	x, y := openQueue(t, b.p, driver.QueueConfig{Name: "x", DLQ: "graves"}), openQueue(t, b.p, driver.QueueConfig{Name: "y", DLQ: "graves"})
	for _, q := range []*Queue{x, y} {
		put(t, q, "of-"+q.cfg.Name, "also-"+q.cfg.Name)
		ds := take(t, q, 2)
		for _, d := range ds {
			driver.RecordDeath(d.Task, q.cfg.Name, b.clock.Now(), driver.ErrTimeout)
		}
		require.NoError(t, q.DeadLetter(within(t), ds))
	}
	moved, err := x.Redrive(within(t), []string{"of-x", "of-y"})
	require.NoError(t, err)
	require.Equal(t, []string{"of-x"}, moved)
	gone, err := y.Discard(within(t), []string{"also-y"})
	require.NoError(t, err)
	require.Equal(t, []string{"also-y"}, gone)
	require.Equal(t, driver.Stats{Ready: 1, Dead: 2}, stats(t, x), "what was not asked for is there at once")
}

func TestPurgeAllEmptiesTheQueueAndSaysWhenItIsTooSoon(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, numbered(5)...)
	require.NoError(t, q.PurgeAll(within(t)))
	err := q.PurgeAll(within(t))
	var busy *types.PurgeQueueInProgress
	require.ErrorAs(t, err, &busy)
	require.ErrorContains(t, err, "60 s")
	b.clock.Advance(time.Minute)
	require.Equal(t, driver.Stats{}, stats(t, q))
}

func TestAQueueThatWasDeletedIsSaidToBeGone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	_, err := b.p.api.DeleteQueue(within(t), &awssqs.DeleteQueueInput{QueueUrl: &q.state.sources[0].url})
	require.NoError(t, err)
	_, err = q.Enqueue(within(t), []*driver.Task{task(q, "a")})
	require.ErrorContains(t, err, "open the queue again")
	_, err = q.Dequeue(within(t), 1, time.Minute)
	require.ErrorContains(t, err, "open the queue again")
	_, err = b.provider(t).Open(within(t), driver.QueueConfig{Name: "q"})
	require.ErrorContains(t, err, "60 s")
}

func TestTooManyInFlightIsExplained(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.InFlightLimit = 2
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a", "b", "c")
	take(t, q, 2)
	_, err := q.Dequeue(shortly(t), 1, time.Minute)
	require.ErrorContains(t, err, "120,000")
}

func TestOpenReadsTheURL(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	b := newBench(t)
	p, err := Open(within(t), "sqs://eu-central-1?prefix=prod-&wait=5s&polls=3&create=true&retry=visibility&fair=4&endpoint="+b.URL(), WithClock(b.clock), WithCloseWait(time.Millisecond))
	require.NoError(t, err)
	require.Equal(t, "eu-central-1", p.api.Options().Region)
	require.Equal(t, b.URL(), aws.ToString(p.api.Options().BaseEndpoint))
	require.Equal(t, options{prefix: "prod-", clock: b.clock, wait: 5 * time.Second, polls: 3, closeWait: time.Millisecond, walkLease: defaultWalkLease, byVisibility: true, fairEvery: 4}, p.options)
	q := openQueue(t, p, driver.QueueConfig{})
	put(t, q, "a")
	first(t, q)
	require.NoError(t, p.Close())
	for _, bad := range []string{"redis://x", "sqs://r?nope=1", "sqs://r?wait=x", "sqs://r?wait=1ms", "sqs://r?polls=x", "sqs://r?create=x", "sqs://r?retry=x", "sqs://r?fair=x", "%"} {
		_, err := Open(within(t), bad)
		require.Error(t, err, bad)
	}
	t.Setenv("AWS_REGION", "")
	_, err = Open(within(t), "sqs://")
	require.ErrorContains(t, err, "region")
}
