package sqstest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A check is one thing that AWS does, asked through the SDK.
type check struct {
	name string
	do   func(w *env)
	slow bool // takes a minute in real time: for servers whose clock can be moved
}

// An env is where a check works: a server that other checks may use too, unless
// its clock can be moved. It records what fails, as a testing.T does.
type env struct {
	name   string // of the check, for the names of queues
	client *sqs.Client
	fake   *sqstest.Server // nil on an emulator
	clock  *tasktest.Clock // of fake
	queues int

	mu       sync.Mutex
	failures []string
}

func (w *env) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

func (w *env) FailNow() { runtime.Goexit() }

// patience bounds what takes no time but that of machines.
const patience = 30 * time.Second

func newClient(url string, transport *http.Transport, attempts int) *sqs.Client {
	return sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: attempts,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:  &http.Client{Transport: transport},
	})
}

// newTransport returns a transport that leaves no connection behind.
func newTransport(tb testing.TB) *http.Transport {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(transport.CloseIdleConnections)
	return transport
}

// fakeEnv is a fake of its own, with a clock that stands still.
func fakeEnv(tb testing.TB, name string) *env {
	w := &env{name: name, clock: tasktest.NewClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))}
	w.fake = sqstest.New(w.clock)
	require.NoError(tb, w.fake.Start())
	tb.Cleanup(w.fake.Stop)
	w.client = newClient(w.fake.URL(), newTransport(tb), 1)
	return w
}

// pass lets time go by.
func (w *env) pass(d time.Duration) {
	if w.fake != nil {
		w.clock.Advance(d)
		return
	}
	<-time.After(d + 200*time.Millisecond) // the emulators have the machine's clock alone
}

func (w *env) now() time.Time {
	if w.fake != nil {
		return w.clock.Now()
	}
	return time.Now()
}

func (w *env) ctx() context.Context { return context.Background() }

func (w *env) must(err error) {
	require.NoError(w, err)
}

// refuses requires an error of SQS with one of codes; the name of the service in
// front of a code is left out.
func (w *env) refuses(err error, codes ...string) {
	var api smithy.APIError
	if !assert.ErrorAs(w, err, &api, "an error of SQS, of %v", codes) {
		return
	}
	code := strings.TrimPrefix(api.ErrorCode(), "AWS.SimpleQueueService.")
	assert.True(w, slices.Contains(codes, code), "%v is not of %v", err, codes)
}

// queueName returns a name that no other check and no run of this one uses.
func (w *env) queueName(suffix string) string {
	w.queues++
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, w.name)
	return fmt.Sprintf("%.40s-%s-%d%s", letters, strconv.FormatInt(time.Now().UnixNano()%1e12, 36), w.queues, suffix)
}

// queue makes a standard queue with attributes: name, value, name, value.
func (w *env) queue(attributes ...string) string { return w.create("", attributes) }

func (w *env) fifo(attributes ...string) string {
	return w.create(".fifo", append(attributes, "FifoQueue", "true"))
}

func (w *env) create(suffix string, attributes []string) string {
	url, err := w.tryCreate(w.queueName(suffix), attributes...)
	w.must(err)
	return url
}

func (w *env) tryCreate(name string, attributes ...string) (string, error) {
	in := &sqs.CreateQueueInput{QueueName: &name, Attributes: make(map[string]string)}
	for pair := range slices.Chunk(attributes, 2) {
		in.Attributes[pair[0]] = pair[1]
	}
	out, err := w.client.CreateQueue(w.ctx(), in)
	if err != nil {
		return "", err
	}
	return *out.QueueUrl, nil
}

func (w *env) attributes(url string) map[string]string {
	out, err := w.client.GetQueueAttributes(w.ctx(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	w.must(err)
	return out.Attributes
}

func (w *env) arn(url string) string { return w.attributes(url)["QueueArn"] }

// counts are the visible, those in flight and the delayed: "5/2/1".
func (w *env) counts(url string) string {
	a := w.attributes(url)
	return a["ApproximateNumberOfMessages"] + "/" + a["ApproximateNumberOfMessagesNotVisible"] + "/" + a["ApproximateNumberOfMessagesDelayed"]
}

// counted requires counts. Those of AWS lag behind, and so may those of emulators.
func (w *env) counted(url, want string) {
	for end := time.Now().Add(2 * time.Second); w.fake == nil && w.counts(url) != want && time.Now().Before(end); {
		w.pass(0)
	}
	assert.Equal(w, want, w.counts(url))
}

// redrive is the policy that dead letters to the queue at url.
func (w *env) redrive(url string, maxReceives int) string {
	return fmt.Sprintf(`{"deadLetterTargetArn":"%s","maxReceiveCount":%d}`, w.arn(url), maxReceives)
}

type sendOption = func(*sqs.SendMessageInput)

func grouped(group, dedup string) sendOption {
	return func(in *sqs.SendMessageInput) {
		in.MessageGroupId = &group
		if dedup != "" {
			in.MessageDeduplicationId = &dedup
		}
	}
}

func attributed(attributes map[string]types.MessageAttributeValue) sendOption {
	return func(in *sqs.SendMessageInput) { in.MessageAttributes = attributes }
}

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

func (w *env) send(url, body string, options ...sendOption) *sqs.SendMessageOutput {
	out, err := w.trySend(url, body, options...)
	w.must(err)
	return out
}

func (w *env) trySend(url, body string, options ...sendOption) (*sqs.SendMessageOutput, error) {
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	for _, option := range options {
		option(in)
	}
	return w.client.SendMessage(w.ctx(), in)
}

func (w *env) sendBatch(url string, entries []types.SendMessageBatchRequestEntry) (*sqs.SendMessageBatchOutput, error) {
	return w.client.SendMessageBatch(w.ctx(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
}

// entries are n entries of a batch with the ids e0, e1 … and the bodies 0, 1 ….
func entries(n int) []types.SendMessageBatchRequestEntry {
	var es []types.SendMessageBatchRequestEntry
	for i := range n {
		es = append(es, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint("e", i)), MessageBody: aws.String(strconv.Itoa(i))})
	}
	return es
}

type receiveOption = func(*sqs.ReceiveMessageInput)

func visibility(seconds int32) receiveOption {
	return func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = seconds }
}

// A pending is a ReceiveMessage call on its way.
type pending struct {
	w        *env
	done     chan struct{}
	messages []types.Message
	err      error
	took     time.Duration
}

// poll begins to receive and returns when the call waits for messages, or is
// over.
func (w *env) poll(url string, most, wait int32, options ...receiveOption) *pending {
	p, before, begun := &pending{w: w, done: make(chan struct{})}, w.polls(), w.now()
	go func() {
		defer close(p.done)
		p.messages, p.err = w.receiveNow(url, most, wait, options...)
		p.took = w.now().Sub(begun)
	}()
	if w.fake == nil {
		w.pass(0)
		return p
	}
	require.Eventually(w, func() bool { return p.over() || w.polls() > before }, patience, time.Millisecond)
	return p
}

func (w *env) polls() int {
	if w.fake == nil {
		return 0
	}
	return w.fake.Polls()
}

// over reports whether the call has returned.
func (p *pending) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// result waits for what the call returns.
func (p *pending) result() []types.Message {
	select {
	case <-p.done:
	case <-time.After(patience):
		require.Fail(p.w, "ReceiveMessage does not return")
	}
	p.w.must(p.err)
	return p.messages
}

// receive receives, for as long as it takes.
func (w *env) receive(url string, most, wait int32, options ...receiveOption) []types.Message {
	if w.fake == nil {
		// One that the emulators answer at once needs no head start.
		out, err := w.receiveNow(url, most, wait, options...)
		w.must(err)
		return out
	}
	p := w.poll(url, most, wait, options...)
	if !p.over() {
		w.clock.Advance(time.Duration(wait) * time.Second)
	}
	return p.result()
}

// receiveNow makes one call, and leaves the clock alone.
func (w *env) receiveNow(url string, most, wait int32, options ...receiveOption) ([]types.Message, error) {
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: most, WaitTimeSeconds: wait, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	}
	//lint:ignore SA1019 local-aws-sqs knows no other name.
	in.AttributeNames = []types.QueueAttributeName{types.QueueAttributeNameAll}
	for _, option := range options {
		option(in)
	}
	out, err := w.client.ReceiveMessage(w.ctx(), in)
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

// one receives a message that is there.
func (w *env) one(url string, options ...receiveOption) types.Message {
	ms := w.receive(url, 1, 3, options...)
	require.Len(w, ms, 1, "one message is there to be received")
	return ms[0]
}

// none requires that no message is visible.
func (w *env) none(url string, why string) {
	ms, err := w.receiveNow(url, 10, 0)
	w.must(err)
	assert.Empty(w, bodies(ms), why)
}

func (w *env) tryDelete(url string, m types.Message) error {
	_, err := w.client.DeleteMessage(w.ctx(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
	return err
}

func (w *env) delete(url string, ms ...types.Message) {
	for _, m := range ms {
		w.must(w.tryDelete(url, m))
	}
}

func (w *env) change(url string, m types.Message, seconds int32) error {
	_, err := w.client.ChangeMessageVisibility(w.ctx(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	return err
}

func garbage() types.Message { return types.Message{ReceiptHandle: aws.String("garbage")} }

// bodies are those of messages, in order: "a,b".
func bodies(ms []types.Message) string {
	var all []string
	for _, m := range ms {
		all = append(all, aws.ToString(m.Body))
	}
	return strings.Join(all, ",")
}

func count(m types.Message) string { return m.Attributes["ApproximateReceiveCount"] }

var allChecks = slices.Concat(queueChecks, messageChecks, batchChecks, visibilityChecks, deadChecks, fifoChecks, pollChecks)

func isQueueDoesNotExist(err error) bool {
	var typed *types.QueueDoesNotExist
	return errors.As(err, &typed)
}
