package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/duration"
	"github.com/taskgen/taskgen/runtime"
)

// classic are the variables of the classic setup on SQS: one queue, by its URL.
type classic struct {
	queueURL, dlqURL    string
	visibility          time.Duration
	maxReceives         int
	wait                time.Duration
	timeout             time.Duration
	maxRetries          *int
	baseDelay, maxDelay time.Duration
	batchSize           bool
	workers             int
}

// A classicVariable is a row of the documentation, and how the variable is read.
type classicVariable struct {
	name, doc string
	read      func(cl *classic, text string) error
}

var classicVariables = []classicVariable{
	{"SQS_QUEUE_URL", "URL of the SQS queue that the code's only queue is on. Its region, or its server where that is not AWS and `AWS_ENDPOINT_URL` is not set, comes from the URL. Credentials come from the SDK's default chain", text(func(cl *classic) *string { return &cl.queueURL })},
	{"SQS_DLQ_URL", "URL of its dead letter queue; a program with handlers needs it", text(func(cl *classic) *string { return &cl.dlqURL })},
	{"SQS_VISIBILITY_TIMEOUT", "seconds of a lease, as `visibility` of a queue", seconds(func(cl *classic) *time.Duration { return &cl.visibility })},
	{"SQS_MAX_RECEIVE_COUNT", "as `max_deliveries` of a queue: crashes of a suspect until it goes to the dead letter queue. Failures do not count: a retry sends a new message", number(1, func(cl *classic) *int { return &cl.maxReceives })},
	{"SQS_WAIT_TIME_SECONDS", "seconds that a poll of an empty queue waits, 1 to 20, as the option `wait`", seconds(func(cl *classic) *time.Duration { return &cl.wait })},
	{"QUEUE_WORKER_COUNT", "how many handlers run at a time, as `workers` of the pool", number(1, func(cl *classic) *int { return &cl.workers })},
	{"QUEUE_BATCH_SIZE", "nothing, which is logged: a worker asks for as many tasks as it has free handlers, and for 10 at most, because SQS gives no more", func(cl *classic, text string) error {
		cl.batchSize = true
		return number(1, func(*classic) *int { return new(int) })(cl, text)
	}},
	{"QUEUE_PROCESSING_TIMEOUT", "bound of one run of a handler, beside the timeout that the code declares: the shorter one holds", seconds(func(cl *classic) *time.Duration { return &cl.timeout })},
	{"QUEUE_MAX_RETRIES", "how often a task is retried that this program enqueues, in place of what the code declares; and one of another program that does not say", func(cl *classic, text string) error {
		cl.maxRetries = new(int)
		return number(0, func(cl *classic) *int { return cl.maxRetries })(cl, text)
	}},
	{"QUEUE_RETRY_BASE_DELAY", "delay of the first retry, in place of what the code declares; a handler's RetryAfter comes first", seconds(func(cl *classic) *time.Duration { return &cl.baseDelay })},
	{"QUEUE_RETRY_MAX_DELAY", "longest delay of a retry, in place of what the code declares", seconds(func(cl *classic) *time.Duration { return &cl.maxDelay })},
}

func text(at func(*classic) *string) func(*classic, string) error {
	return func(cl *classic, s string) error {
		*at(cl) = s
		return nil
	}
}

func number(least int, at func(*classic) *int) func(*classic, string) error {
	return func(cl *classic, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return fmt.Errorf("write a whole number of at least %d", least)
		}
		*at(cl) = n
		return nil
	}
}

// seconds reads a number of seconds, or a duration.
func seconds(at func(*classic) *time.Duration) func(*classic, string) error {
	return func(cl *classic, s string) error {
		d, err := duration.Parse(s)
		if n, bad := strconv.Atoi(s); bad == nil {
			d, err = time.Duration(n)*time.Second, nil
		}
		if err != nil || d <= 0 || d > 365*24*time.Hour {
			return fmt.Errorf("write a number of seconds, like 30, or a duration, like 30s")
		}
		*at(cl) = d
		return nil
	}
}

// classicSetup reads the variables, if there is the URL of a queue.
func (d *decoder) classicSetup() {
	first := position{variable: classicVariables[0].name}
	if queueURL, _, err := lookup(first.variable); err != nil {
		d.report(first, "%s", err)
		return
	} else if queueURL == "" {
		return
	}
	cl := new(classic)
	for _, v := range classicVariables {
		value, _, err := lookup(v.name)
		if err == nil && value != "" {
			err = v.read(cl, value)
		}
		if err != nil {
			d.report(position{variable: v.name}, "%s", err)
		}
	}
	if registry.of("sqs") == nil {
		d.report(first, "%s", unregistered("sqs", true))
	}
	if _, _, err := cl.server(); err != nil {
		d.report(first, "%s", err)
	}
	if _, err := parseQueueURL(cl.dlqURL); err != nil && cl.dlqURL != "" {
		d.report(position{variable: "SQS_DLQ_URL"}, "%s", err)
	}
	d.c.classic = cl
	d.c.Pool.Workers = cl.workers
	d.c.positions["queues"] = first
}

// server is where the queue is: a region of AWS, or an endpoint elsewhere. If variables of
// the SDK name an endpoint, it is theirs.
func (cl *classic) server() (region, endpoint string, err error) {
	u, err := parseQueueURL(cl.queueURL)
	if err != nil {
		return "", "", err
	}
	host := u.Hostname()
	if i := strings.Index(host, ".amazonaws.com"); i > 0 {
		return strings.TrimPrefix(host[:i], "sqs."), "", nil
	}
	if os.Getenv("AWS_ENDPOINT_URL") != "" || os.Getenv("AWS_ENDPOINT_URL_SQS") != "" {
		return "", "", nil
	}
	return "", u.Scheme + "://" + u.Host, nil
}

// parseQueueURL reads the URL of an SQS queue. It refuses a URL with a user, since the
// Config would be printed with it.
func parseQueueURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("this is not the URL of an SQS queue: it looks like https://sqs.eu-central-1.amazonaws.com/123456789012/mail")
	}
	return u, nil
}

// classic turns the variables into a provider and a queue: that of the code.
func (b *builder) classic() {
	cl, at := b.c.classic, "queues"
	name := ""
	for _, q := range b.code.Queues {
		if name != "" && q.Name != name {
			b.report(at, "SQS_QUEUE_URL is one queue, and the code has several, %s and %s among them: write a file with sqs options queues.NAME.url for each", name, q.Name)
			return
		}
		name = q.Name
	}
	switch {
	case name == "":
		b.report(at, "the code declares no queue that could be on SQS_QUEUE_URL")
		return
	case len(b.c.Providers) > 0:
		b.report(at, "SQS_QUEUE_URL is set beside %sPROVIDERS_…: unset one of them", variablePrefix)
		return
	case cl.dlqURL == "" && b.code.Handlers != nil:
		b.report(at, "a worker needs a dead letter queue: set SQS_DLQ_URL")
	}
	c := *b.c // a Config can be built again
	c.Providers = map[string]ProviderConfig{"sqs": {URL: NewURL(cl.provider(name))}}
	c.Queues = map[string]QueueConfig{name: {Visibility: cl.visibility, MaxDeliveries: cl.maxReceives}}
	b.c = &c
	b.code.Handle = append([]runtime.Middleware{cl.handle}, b.code.Handle...)
	if cl.maxRetries != nil {
		b.code.Enqueue = append([]runtime.EnqueueMiddleware{cl.enqueue}, b.code.Enqueue...)
	}
	if cl.batchSize {
		cmp.Or(b.log, slog.Default()).Info("QUEUE_BATCH_SIZE has no effect: a worker asks for as many tasks as it has free handlers, 10 at most")
	}
}

// provider is the URL of the provider with the queue.
func (cl *classic) provider(queue string) string {
	region, endpoint, _ := cl.server()
	query := url.Values{"queues." + queue + ".url": {cl.queueURL}}
	if cl.dlqURL != "" {
		query.Set("queues."+queue+".dlq", cl.dlqURL)
	}
	if cl.maxRetries != nil {
		query.Set("queues."+queue+".max_retries", strconv.Itoa(*cl.maxRetries))
	}
	if endpoint != "" {
		query.Set("endpoint", endpoint)
	}
	if cl.wait != 0 {
		query.Set("wait", cl.wait.String())
	}
	return "sqs://" + region + "?" + query.Encode()
}

// handle bounds the runs of handlers, and sets the delays of retries.
func (cl *classic) handle(next runtime.Handler) runtime.Handler {
	return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		bounded := ctx
		if cl.timeout != 0 {
			var cancel context.CancelFunc
			bounded, cancel = context.WithTimeoutCause(ctx, cl.timeout, runtime.ErrTimeout)
			defer cancel()
		}
		err := next.Handle(bounded, t)
		if err == nil || cl.baseDelay == 0 && cl.maxDelay == 0 || runtime.OutcomeOf(ctx, err) != runtime.Retried || setsDelay(err) {
			return err
		}
		info, _ := runtime.TaskFromContext(ctx)
		policy := info.Policy.Retry
		policy.Base, policy.Cap = cmp.Or(cl.baseDelay, policy.Base), cmp.Or(cl.maxDelay, policy.Cap)
		return runtime.RetryAfter(policy.Delay(info.Attempt, rand.Float64()), err)
	})
}

// setsDelay reports whether an error was made by RetryAfter.
func setsDelay(err error) bool {
	var sets interface{ RetryDelay() time.Duration }
	return errors.As(err, &sets)
}

// enqueue sets how often tasks are retried.
func (cl *classic) enqueue(next runtime.Enqueuer) runtime.Enqueuer {
	return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		changed := make([]*runtime.Task, len(tasks))
		for i, t := range tasks {
			if t == nil {
				continue
			}
			one := *t
			one.MaxRetries, changed[i] = *cl.maxRetries, &one
		}
		return next.Enqueue(ctx, changed)
	})
}
