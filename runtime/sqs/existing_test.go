package sqs

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

const twoWeeks = "1209600"

// byHand makes queues as somebody else would, each with the retention of two weeks, and
// returns their URLs. A name that ends with .fifo is of a fifo queue.
func byHand(t *testing.T, api *awssqs.Client, names ...string) (urls []string) {
	t.Helper()
	for _, name := range names {
		attributes := map[string]string{"MessageRetentionPeriod": twoWeeks}
		if strings.HasSuffix(name, ".fifo") {
			attributes["FifoQueue"] = "true"
		}
		made, err := api.CreateQueue(within(t), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		require.NoError(t, err)
		urls = append(urls, *made.QueueUrl)
	}
	return urls
}

func attributesOf(t *testing.T, api *awssqs.Client, url string) map[string]string {
	t.Helper()
	out, err := api.GetQueueAttributes(within(t), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
	require.NoError(t, err)
	maps.DeleteFunc(out.Attributes, func(name, _ string) bool { return strings.HasPrefix(name, "Approximate") })
	return out.Attributes
}

// requireOnly holds the requests that a provider has sent against what it may.
func requireOnly(t *testing.T, p *Provider, actions ...string) {
	t.Helper()
	for action := range p.Requests() {
		require.Contains(t, actions, strings.TrimSuffix(action, "Batch"))
	}
}

// fiveActions are what a worker on existing queues needs.
var fiveActions = []string{"SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes"}

// live takes a task through all that can become of it: retry, death, redrive, completion.
func live(t *testing.T, q *Queue) {
	t.Helper()
	put(t, q, "a")
	ds := take(t, q, 1)
	ds[0].Task.RetryCount++
	require.NoError(t, q.Release(within(t), ds))
	ds = take(t, q, 1)
	require.Equal(t, 1, ds[0].Task.RetryCount)
	require.NoError(t, q.Extend(within(t), ds, time.Minute))
	driver.RecordDeath(ds[0].Task, q.cfg.Name, time.Now(), errors.New("broken"))
	require.NoError(t, q.DeadLetter(within(t), ds))
	becomes(t, q, driver.Stats{Dead: 1})
	moved, err := q.Redrive(within(t), []string{"a"})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, moved)
	ds = take(t, q, 1)
	require.Equal(t, q.cfg.DLQ, ds[0].Task.Metadata[driver.MetaRedrivenFrom])
	require.NoError(t, q.Complete(within(t), ds))
	becomes(t, q, driver.Stats{})
}

// TestAQueueMadeByHandIsUsedAsItIs has each type, on our own server in another account,
// and on the emulator.
func TestAQueueMadeByHandIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names, dead string
		cfg         driver.QueueConfig
		codec       Codec
	}{
		"standard":       {"Mail_Inbound", "failed-mail", driver.QueueConfig{}, nil},
		"fifo":           {"Orders.fifo", "orders-failed.fifo", fifo, nil},
		"priority":       {"bulk normal urgent", "failed", driver.QueueConfig{Type: driver.Priority, Levels: 3}, nil},
		"standard codec": {"mail-json", "mail-json-dead", driver.QueueConfig{}, JSON("work")},
		"fifo codec":     {"orders-json.fifo", "orders-json-dead.fifo", fifo, JSONByAttribute("kind")},
	} {
		for _, server := range []string{"fake", "emulator"} {
			t.Run(name+" "+server, func(t *testing.T) {
				t.Parallel()
				var endpoint string
				prefix := ""
				b := briefBench(t)
				if server == "emulator" {
					s, err := emulator()
					require.NoError(t, err)
					endpoint, prefix = s.URL, "byhand-"
				} else {
					endpoint = b.URL()
				}
				api := client(endpoint)
				hands := strings.Fields(c.names + " " + c.dead)
				for i := range hands {
					hands[i] = prefix + hands[i]
				}
				urls := byHand(t, api, hands...)
				if server == "fake" {
					for i, hand := range hands {
						urls[i] = b.GiveAway(hand, "123456789012")
					}
				}
				n := len(urls) - 1
				dead := attributesOf(t, api, urls[n])
				for _, u := range urls[:n] {
					_, err := api.SetQueueAttributes(within(t), &awssqs.SetQueueAttributesInput{QueueUrl: &u, Attributes: map[string]string{
						"RedrivePolicy": `{"deadLetterTargetArn":"` + dead["QueueArn"] + `","maxReceiveCount":1000}`, "ReceiveMessageWaitTimeSeconds": "20",
					}})
					require.NoError(t, err)
				}
				before := attributesOf(t, api, urls[0])

				on := Existing{URL: urls[0], DLQ: urls[n], Codec: c.codec}
				if n > 1 {
					on.URL, on.Levels = "", urls[:n]
				}
				p, err := New(api, WithQueue("mail", on), WithCloseWait(20*time.Millisecond), WithPrefix("prod-"))
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, p.Close()) })
				c.cfg.Name, c.cfg.DLQ = "mail", "mail-of-the-dead"
				q := openQueue(t, p, c.cfg)
				live(t, q)
				requireOnly(t, p, fiveActions...)
				require.Equal(t, before, attributesOf(t, api, urls[0]))
				openQueue(t, p, c.cfg) // a second handle checks it anew

				// The dead letter queue has the name that the declaration gives it.
				put(t, q, "b")
				require.NoError(t, q.DeadLetter(within(t), take(t, q, 1)))
				letters := openQueue(t, p, driver.QueueConfig{Name: "mail-of-the-dead"})
				require.NoError(t, letters.Complete(within(t), take(t, letters, 1)))
				requireOnly(t, p, fiveActions...)
			})
		}
	}
}

func TestEachLevelOfAQueueMadeByHandIsItsOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	urls := byHand(t, b.p.api.Client, "bulk", "urgent", "dead")
	p := b.provider(t, WithQueue("q", Existing{Levels: urls[:2], DLQ: urls[2]}))
	q := openQueue(t, p, driver.QueueConfig{Type: driver.Priority, Levels: 2})
	enqueue(t, q, task(q, "low"), task(q, "high", func(t *driver.Task) { t.Priority = 1 }))
	require.Contains(t, *receiveOne(t, b, &sqsQueue{url: urls[1]}).Body, `"high"`)
	require.Equal(t, []string{"high", "low"}, idsOf(take(t, q, 2)))
}

func TestDelayedTasksOfAFifoQueueMadeByHandNeedAPlace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	urls := byHand(t, b.p.api.Client, "q.fifo", "dead.fifo", "wait")
	later := func(t *driver.Task) { t.ScheduledFor = b.clock.Now().Add(time.Hour) }
	p := b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1]}))
	q := openQueue(t, p, fifo)
	_, err := q.Enqueue(within(t), []*driver.Task{task(q, "a", later)})
	require.ErrorIs(t, err, driver.ErrUnsupported)
	require.ErrorContains(t, err, "Existing.Later")
	require.Zero(t, q.Capabilities().MaxDelay)
	require.NoError(t, q.Close())

	p = b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1], Later: urls[2]}))
	q = openQueue(t, p, fifo)
	enqueue(t, q, task(q, "a", later))
	becomes(t, q, driver.Stats{Scheduled: 1})
	for range time.Hour / maxDelay {
		nothing(t, q)
		b.clock.Advance(maxDelay)
	}
	b.clock.Advance(q.Capabilities().Lateness)
	require.Equal(t, []string{"a"}, idsOf(take(t, q, 1)))
	requireOnly(t, p, fiveActions...)
}

func TestAFifoQueueMadeByHandIsNotTagged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	urls := byHand(t, b.p.api.Client, "q.fifo", "dead.fifo")
	p := b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1]}))
	q := openQueue(t, p, driver.QueueConfig{Type: driver.FIFO, MaxDeliveries: 1})
	put(t, q, "a")
	for range 4 { // from the second on it would be counted
		take(t, q, 1)
		b.clock.Advance(time.Minute)
	}
	require.Equal(t, []string{"a"}, idsOf(take(t, q, 1)))
	requireOnly(t, p, fiveActions...)
}

func TestOpenSaysWhatAQueueMadeByHandLacks(t *testing.T) {
	t.Parallel()
	const other = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:spare","maxReceiveCount":1000}`
	priority := driver.QueueConfig{Type: driver.Priority, Levels: 2}
	for name, c := range map[string]struct {
		on         Existing // names in place of URLs
		cfg        driver.QueueConfig
		attributes map[string]string // of "live"
		want       string
	}{
		"a fifo queue":       {Existing{URL: "live.fifo", DLQ: "dead.fifo"}, driver.QueueConfig{}, nil, "live.fifo is fifo"},
		"a fair group":       {Existing{URL: "live.fifo", DLQ: "dead.fifo", FairGroup: func(*driver.Task) string { return "" }}, fifo, nil, "FairGroup"},
		"a deduplication":    {Existing{URL: "live", DLQ: "dead", DeduplicationID: func(*driver.Task) string { return "" }}, driver.QueueConfig{}, nil, "DeduplicationID"},
		"no fifo queue":      {Existing{URL: "live", DLQ: "dead"}, fifo, nil, "live is standard"},
		"a level is missing": {Existing{Levels: []string{"live", ""}, DLQ: "dead"}, priority, nil, "level 1 is left out"},
		"too few levels":     {Existing{Levels: []string{"live"}, DLQ: "dead"}, priority, nil, "WithQueue gives 1"},
		"one queue":          {Existing{URL: "live", DLQ: "dead"}, priority, nil, "WithQueue gives 0"},
		"levels":             {Existing{Levels: []string{"live", "spare"}, DLQ: "dead"}, driver.QueueConfig{}, nil, "give a URL"},
		"a place for later":  {Existing{URL: "live", DLQ: "dead", Later: "spare"}, driver.QueueConfig{}, nil, "leave Later out"},
		"a fifo place":       {Existing{URL: "live.fifo", DLQ: "dead.fifo", Later: "spare.fifo"}, fifo, nil, "give a standard queue"},
		"another dlq":        {Existing{URL: "live", DLQ: "dead"}, driver.QueueConfig{}, map[string]string{"RedrivePolicy": other}, "change the policy"},
		"a low policy":       {Existing{URL: "live", DLQ: "spare"}, driver.QueueConfig{}, map[string]string{"RedrivePolicy": strings.Replace(other, "1000", "3", 1)}, "set maxReceiveCount to 16"},
		"small messages":     {Existing{URL: "live", DLQ: "dead"}, driver.QueueConfig{}, map[string]string{"MaximumMessageSize": "65536"}, "MaximumMessageSize"},
		"a small dlq":        {Existing{URL: "spare", DLQ: "live"}, driver.QueueConfig{}, map[string]string{"MaximumMessageSize": "262144"}, "could not be buried"},
		"a dlq that forgets": {Existing{URL: "spare", DLQ: "live"}, driver.QueueConfig{}, map[string]string{"MessageRetentionPeriod": "345600"}, "raise its MessageRetentionPeriod"},
		"nothing there":      {Existing{URL: "nowhere", DLQ: "dead"}, driver.QueueConfig{}, nil, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			byHand(t, b.p.api.Client, "live", "dead", "spare", "live.fifo", "dead.fifo", "spare.fifo")
			full := func(name string) string {
				if name == "" {
					return ""
				}
				return b.URL() + "/000000000000/" + name
			}
			if c.attributes != nil {
				url := full("live")
				_, err := b.p.api.SetQueueAttributes(within(t), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: c.attributes})
				require.NoError(t, err)
			}
			on := Existing{URL: full(c.on.URL), DLQ: full(c.on.DLQ), Later: full(c.on.Later), FairGroup: c.on.FairGroup, DeduplicationID: c.on.DeduplicationID}
			for _, l := range c.on.Levels {
				on.Levels = append(on.Levels, full(l))
			}
			c.cfg.Name = "q"
			_, err := b.provider(t, WithQueue("q", on)).Open(within(t), c.cfg)
			require.ErrorContains(t, err, c.want)
			require.True(t, errors.Is(err, driver.ErrQueueMismatch) || c.on.URL == "nowhere", err)
		})
	}
}

func TestTwoNamesOfDeadLettersAreToldApart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	urls := byHand(t, b.p.api.Client, "a", "a-dead", "b", "b-dead")
	p := b.provider(t, WithQueue("a", Existing{URL: urls[0], DLQ: urls[1]}), WithQueue("b", Existing{URL: urls[2], DLQ: urls[3]}))
	openQueue(t, p, driver.QueueConfig{Name: "a", DLQ: "dead"})
	_, err := p.Open(within(t), driver.QueueConfig{Name: "b", DLQ: "dead"})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
	require.ErrorContains(t, err, "different names")
	_, err = p.Open(within(t), driver.QueueConfig{Name: "dead", Types: []string{"work"}})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
}

func TestNewRefusesWhatIsNoQueue(t *testing.T) {
	t.Parallel()
	const url, dead = "https://sqs.us-east-1.amazonaws.com/123456789012/mail", "https://sqs.us-east-1.amazonaws.com/123456789012/dead"
	aws := awssqs.New(awssqs.Options{Region: "us-east-1"})
	for want, opts := range map[string][]Option{
		"give URL":              {WithQueue("q", Existing{DLQ: dead})},
		"or on a priority":      {WithQueue("q", Existing{URL: url, Levels: []string{url}})},
		"not the URL":           {WithQueue("q", Existing{URL: "mail"})},
		"account and name":      {WithQueue("q", Existing{URL: "https://sqs.us-east-1.amazonaws.com/mail"})},
		"another region":        {WithQueue("q", Existing{URL: strings.Replace(url, "us-east-1", "eu-west-1", 1)})},
		"two duties":            {WithQueue("q", Existing{URL: url}), WithQueue("r", Existing{URL: url})},
		"own dead letter":       {WithQueue("q", Existing{URL: url, DLQ: url})},
		"WithQueue(\"q\"): the": {WithQueue("q", Existing{Levels: []string{url, url}})},
	} {
		_, err := New(aws, opts...)
		require.ErrorContains(t, err, want)
	}
	_, err := New(aws, WithQueue("q", Existing{URL: url, DLQ: dead}), WithQueue("letters", Existing{URL: dead}))
	require.NoError(t, err)
}

func TestAWorkerNeedsTheFiveActions(t *testing.T) {
	t.Parallel()
	for _, c := range []driver.QueueConfig{{}, fifo} {
		b := briefBench(t)
		names := []string{"live", "dead"}
		if c.Type == driver.FIFO {
			names = []string{"live.fifo", "dead.fifo"}
		}
		urls := byHand(t, b.p.api.Client, names...)
		b.Permit("", fiveActions...)
		live(t, openQueue(t, b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1]})), c))
	}
}

// TestAWorkerMayDoWithoutAttributes has nobody count, and the queue work as it should.
func TestAWorkerMayDoWithoutAttributes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	urls := byHand(t, b.p.api.Client, "live", "dead")
	b.Permit("", slices.DeleteFunc(slices.Clone(fiveActions), func(a string) bool { return a == "GetQueueAttributes" })...)
	p := b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1]}))
	q := openQueue(t, p, driver.QueueConfig{})
	openQueue(t, p, driver.QueueConfig{})
	require.Equal(t, assumedSize-reserve, q.Capabilities().MaxPayload)
	put(t, q, "a")
	require.NoError(t, q.DeadLetter(within(t), take(t, q, 1)))
	_, err := q.Stats(within(t))
	require.ErrorContains(t, err, "GetQueueAttributes")
	require.Contains(t, *receiveOne(t, b, &sqsQueue{url: urls[1]}).Body, `"a"`)
}

// TestAProducerNeedsToSendAlone gives none of the other actions, by a manager too.
func TestAProducerNeedsToSendAlone(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	urls := byHand(t, b.p.api.Client, "mail", "orders.fifo", "bulk", "urgent")
	b.Permit("", "SendMessage")
	p := b.provider(t,
		WithQueue("q", Existing{URL: urls[0]}), WithQueue("orders", Existing{URL: urls[1]}), WithQueue("jobs", Existing{Levels: urls[2:]}))
	m := runtime.NewManager(runtime.ManagerConfig{})
	defer m.Close()
	require.NoError(t, m.Open(within(t), p,
		driver.QueueConfig{Name: "q"}, driver.QueueConfig{Name: "orders", Type: driver.FIFO}, driver.QueueConfig{Name: "jobs", Type: driver.Priority, Levels: 2}))
	_, err := m.Enqueue(within(t), []*driver.Task{
		{Type: "work", Queue: "q", Payload: []byte("1"), ScheduledFor: b.clock.Now().Add(time.Hour)},
		{Type: "work", Queue: "orders", Payload: []byte("2"), GroupKey: "g"},
		{Type: "work", Queue: "jobs", Payload: []byte("3"), Priority: 1},
	})
	require.NoError(t, err)
	q := openQueue(t, p, driver.QueueConfig{})
	_, err = q.Dequeue(within(t), 1, time.Minute)
	require.ErrorIs(t, err, driver.ErrUnsupported)
	require.ErrorContains(t, err, "Existing.DLQ")
	_, err = q.Redrive(within(t), nil)
	require.ErrorIs(t, err, driver.ErrUnsupported)
	_, err = q.StartRedrive(within(t), 0)
	require.ErrorIs(t, err, driver.ErrUnsupported)
	requireOnly(t, p, "SendMessage", "GetQueueAttributes")
	b.Permit("", fiveActions...)
	become := stats(t, openQueue(t, b.provider(t, WithQueue("jobs", Existing{Levels: urls[2:]})), driver.QueueConfig{Name: "jobs", Type: driver.Priority, Levels: 2}))
	require.Equal(t, driver.Stats{Ready: 1}, become)
	require.Equal(t, driver.Stats{Scheduled: 1}, stats(t, q))
}

// TestEachOfTheFiveActionsIsNeeded leaves out one at a time.
func TestEachOfTheFiveActionsIsNeeded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	urls := byHand(t, b.p.api.Client, "live", "dead")
	q := openQueue(t, b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1]})), driver.QueueConfig{})
	put(t, q, "a")
	ds := take(t, q, 1)
	for action, try := range map[string]func() error{
		"SendMessage": func() error {
			_, err := q.Enqueue(within(t), []*driver.Task{task(q, "b")})
			return err
		},
		"ReceiveMessage": func() error {
			_, err := q.Dequeue(within(t), 1, time.Minute)
			return err
		},
		"DeleteMessage":           func() error { return q.Complete(within(t), ds) },
		"ChangeMessageVisibility": func() error { return q.Extend(within(t), ds, time.Hour) },
		"GetQueueAttributes": func() error {
			_, err := q.Stats(within(t))
			return err
		},
	} {
		b.Permit("live", slices.DeleteFunc(slices.Clone(fiveActions), func(a string) bool { return a == action })...)
		err := try()
		require.True(t, denied(err), "%s: %v", action, err)
		require.ErrorContains(t, err, "sqs:"+action)
	}
	b.Permit("live", fiveActions...)
	require.NoError(t, q.Complete(within(t), ds))
}

// TestDeadLettersNeedSendMessageAlone has others work on them.
func TestDeadLettersNeedSendMessageAlone(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	urls := byHand(t, b.p.api.Client, "live", "dead")
	b.Permit("live", fiveActions...)
	b.Permit("dead", "SendMessage")
	q := openQueue(t, b.provider(t, WithQueue("q", Existing{URL: urls[0], DLQ: urls[1]})), driver.QueueConfig{})
	put(t, q, "a")
	require.NoError(t, q.DeadLetter(within(t), take(t, q, 1)))
	_, err := q.Redrive(within(t), nil)
	require.True(t, denied(err))
	b.Permit("dead", fiveActions...)
	becomes(t, q, driver.Stats{Dead: 1})
}
