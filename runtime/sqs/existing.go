package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Existing names existing SQS queues for a queue: made by hand or declared elsewhere,
// in any account that the credentials can access, with any names. See [WithQueue].
type Existing struct {
	// URL of the SQS queue. Empty on a priority queue, which has Levels.
	URL string
	// Levels are the URLs of a priority queue's levels, from 0, the lowest.
	Levels []string
	// DLQ is the URL of the dead letter queue, under its name in the declaration. Empty:
	// the program only enqueues tasks, and Dequeue returns ErrUnsupported.
	DLQ string
	// Later is the URL of a standard queue on which delayed tasks of a fifo queue wait.
	// Empty: a delayed task is refused with ErrUnsupported. Other queues delay by
	// themselves.
	Later string
	// Codec says how tasks are written in the bodies. Nil: as envelopes.
	Codec Codec
	// MaxRetries is how often a task is retried after its first failure, if it comes from
	// another program and the Codec gives it no number. 0: never.
	MaxRetries int
	// FairGroup makes the MessageGroupId of a task on standard and priority queues: SQS
	// then serves groups in turn, so that a large one does not delay the others. It does
	// not order tasks. Nil, or "" for a task: none.
	FairGroup func(*driver.Task) string
	// DeduplicationID makes the MessageDeduplicationId of a task on a fifo queue: SQS
	// silently drops a message with an ID that it has had within five minutes, and
	// Enqueue returns nil. A delayed task is compared when it is due; a retry and a
	// redrive are not. Nil, or "" for a task: a repeated enqueue, with the same ID and
	// CreatedAt, is dropped.
	DeduplicationID func(*driver.Task) string
}

// WithQueue makes the queue of that name use existing SQS queues. Open creates, changes
// and tags nothing there, and needs no names: prefix and WithoutCreate are for other
// queues. Open reads the attributes and refuses unsuitable ones. Without permission to
// read them (sqs:GetQueueAttributes) it derives a fifo queue from the ending of its
// name, assumes messages of 256 KiB and otherwise the requirements in README.md, and
// logs that.
//
// On a fifo queue nothing counts the tasks that kill their process, because the count
// would be a tag: only the redrive policy stops such a task. The client's region must
// be the queue's.
func WithQueue(name string, on Existing) Option {
	return func(o *options) {
		if o.existing == nil {
			o.existing = make(map[string]Existing)
		}
		o.existing[name] = on
	}
}

// assumedSize is what a message may have where the attributes cannot be read: what every
// queue takes whose owner has not lowered it.
const assumedSize = 256 << 10

// queueURLs are the URLs of the queues for tasks, by level.
func (on Existing) queueURLs() []string {
	if on.URL != "" {
		return []string{on.URL}
	}
	return on.Levels
}

// checkExisting says what is wrong with what was given to WithQueue. region is the client's,
// or "" where it does not talk to AWS.
func checkExisting(all map[string]Existing, region string) error {
	owner := make(map[string]string)
	for name, on := range all {
		bad := func(format string, args ...any) error {
			return fmt.Errorf("sqs: WithQueue(%q): "+format, append([]any{name}, args...)...)
		}
		if on.MaxRetries < 0 {
			return bad("MaxRetries is %d", on.MaxRetries)
		}
		if (on.URL == "") == (len(on.Levels) == 0) {
			return bad("give URL, or on a priority queue Levels")
		}
		for _, u := range slices.Concat(on.queueURLs(), []string{on.DLQ, on.Later}) {
			if u == "" {
				continue
			}
			if err := checkURL(u, region); err != nil {
				return bad("%w", err)
			}
		}
		for _, u := range on.own() {
			if other, taken := owner[u]; taken {
				return bad("the SQS queue %s has two duties, there and in WithQueue(%q)", u, other)
			}
			owner[u] = name
		}
		if on.DLQ != "" && slices.Contains(on.own(), on.DLQ) {
			return bad("the SQS queue %s cannot be its own dead letter queue", on.DLQ)
		}
	}
	return nil
}

// own are the URLs of what no other queue may share.
func (on Existing) own() []string {
	all := on.queueURLs()
	if on.Later != "" {
		all = append(slices.Clone(all), on.Later)
	}
	return slices.DeleteFunc(slices.Clone(all), func(u string) bool { return u == "" })
}

func checkURL(text, region string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not the URL of an SQS queue: it looks like https://sqs.eu-central-1.amazonaws.com/123456789012/mail", text)
	}
	if owner, name := ownerAndName(text); owner == "" || name == "" {
		return fmt.Errorf("%q is not the URL of an SQS queue: it ends with account and name, like /123456789012/mail", text)
	}
	there, _, _ := strings.Cut(strings.TrimPrefix(u.Hostname(), "sqs."), ".")
	if region != "" && strings.HasPrefix(u.Hostname(), "sqs.") && there != region {
		return fmt.Errorf("the queue %s is in another region than the client, %s: give it a provider of its own", text, region)
	}
	return nil
}

// ownerAndName are the last two parts of the URL of an SQS queue.
func ownerAndName(text string) (owner, name string) {
	parts := strings.Split(text, "/")
	if len(parts) < 5 { // scheme, nothing, host, account, name
		return "", ""
	}
	return parts[len(parts)-2], parts[len(parts)-1]
}

// awsRegion is the region in which the provider's requests end, or "" where they do not go
// to AWS.
func (p *Provider) awsRegion() string {
	if o := p.api.Options(); o.BaseEndpoint == nil {
		return o.Region
	}
	return ""
}

// existingFor finds the Existing of a queue of WithQueue, or of the dead letter queue of one.
func (p *Provider) existingFor(cfg driver.QueueConfig) (on Existing, dead, ok bool) {
	if on, ok = p.existing[cfg.Name]; ok {
		for _, other := range p.existing {
			dead = dead || other.DLQ != "" && other.DLQ == on.URL
		}
		return on, dead, true
	}
	u := p.deadURLs[cfg.Name]
	if of, named := p.existing[strings.TrimSuffix(cfg.Name, "-dlq")]; u == "" && named {
		u = of.DLQ
	}
	return Existing{URL: u}, true, u != ""
}

// openExisting makes the state of a queue of WithQueue.
func (p *Provider) openExisting(ctx context.Context, e *queueState, on Existing, dead bool, cfg driver.QueueConfig) error {
	e.onExisting = true
	if dead {
		r, err := p.inspectExisting(ctx, e, on.URL)
		if err != nil {
			return err
		}
		e.isDLQ, e.fifo = true, r.fifo
		e.sources = []*source{newSource(e, r, 0)}
		return errors.Join(cfg.AsDead(), p.verify(r, 0))
	}
	if err := on.fits(cfg); err != nil {
		return err
	}
	e.fifo, e.on = cfg.Type == driver.FIFO, on
	if on.DLQ != "" {
		if u := p.deadURLs[cfg.DLQ]; u != "" && u != on.DLQ {
			return fmt.Errorf("%w: the dead letter queue %q is %s to another queue, and %s to this one: give them different names with dlq=", driver.ErrQueueMismatch, cfg.DLQ, u, on.DLQ)
		}
		dlq, err := p.inspectExisting(ctx, e, on.DLQ)
		if err == nil {
			err = p.verify(dlq, 0)
		}
		if err != nil {
			return fmt.Errorf("its dead letter queue: %w", err)
		}
		p.deadURLs[cfg.DLQ], e.dlq = on.DLQ, dlq
	}
	for level, u := range slices.Backward(on.queueURLs()) {
		r, err := p.inspectExisting(ctx, e, u)
		if err == nil {
			err = p.verifyLive(r, e.dlq, cfg)
		}
		if err != nil {
			return err
		}
		if r.fifo != e.fifo {
			return fmt.Errorf("%w: the SQS queue %s is %s, and a queue of type %s is declared", driver.ErrQueueMismatch, r.name, typeOf(r), cfg.Type)
		}
		e.sources = append(e.sources, newSource(e, r, level))
	}
	if on.Later == "" {
		return nil
	}
	later, err := p.inspectExisting(ctx, e, on.Later)
	if err == nil {
		err = p.verify(later, 0)
	}
	if err == nil && later.fifo {
		err = fmt.Errorf("%w: the SQS queue %s for delayed tasks is fifo: SQS delays no single message there: give a standard queue", driver.ErrQueueMismatch, later.name)
	}
	if err != nil {
		return err
	}
	e.later = newSource(e, later, 0)
	return nil
}

// fits says what a declaration needs that is not given, or the other way round.
func (on Existing) fits(cfg driver.QueueConfig) error {
	missing := slices.Index(on.Levels, "")
	switch n := len(on.Levels); {
	case cfg.Type == driver.Priority && missing >= 0:
		return fmt.Errorf("%w: a queue with %d levels is declared, and level %d is left out of Existing.Levels: give its URL, or declare fewer levels", driver.ErrQueueMismatch, cfg.Levels, missing)
	case cfg.Type == driver.Priority && n != cfg.Levels:
		return fmt.Errorf("%w: a queue with %d levels is declared, and WithQueue gives %d: give the URL of each in Existing.Levels, from 0", driver.ErrQueueMismatch, cfg.Levels, n)
	case cfg.Type != driver.Priority && n > 0:
		return fmt.Errorf("%w: a queue of type %s is declared, and WithQueue gives levels: give a URL", driver.ErrQueueMismatch, cfg.Type)
	case cfg.Type == driver.FIFO && on.FairGroup != nil:
		return fmt.Errorf("%w: WithQueue gives a FairGroup, and on the fifo queue that is declared the MessageGroupId is the group that keeps the order: leave it out", driver.ErrQueueMismatch)
	case cfg.Type != driver.FIFO && on.DeduplicationID != nil:
		return fmt.Errorf("%w: WithQueue gives a DeduplicationID, which only fifo queues have, and a queue of type %s is declared: leave it out", driver.ErrQueueMismatch, cfg.Type)
	case cfg.Type != driver.FIFO && on.Later != "":
		return fmt.Errorf("%w: WithQueue gives a queue for delayed tasks, which only fifo queues need, and a queue of type %s is declared: leave Later out", driver.ErrQueueMismatch, cfg.Type)
	}
	return nil
}

func typeOf(r *sqsQueue) driver.QueueType {
	if r.fifo {
		return driver.FIFO
	}
	return driver.Standard
}

// inspectExisting reads the attributes of an SQS queue of WithQueue, or logs what it assumes
// of them.
func (p *Provider) inspectExisting(ctx context.Context, e *queueState, u string) (*sqsQueue, error) {
	owner, name := ownerAndName(u)
	r, err := p.inspect(ctx, name, u)
	if !denied(err) {
		return r, err
	}
	r = &sqsQueue{name: name, url: u, arn: arnOf(p.api.Options().Region, owner, name), fifo: strings.HasSuffix(name, ".fifo"), maxSize: assumedSize, retention: maxRetention, assumed: true}
	r.delays = !r.fifo
	p.logger().Info("sqs: no permission to read the attributes of a queue (sqs:GetQueueAttributes), assuming: "+
		"MessageRetentionPeriod of 14 days, a redrive policy with the given dead letter queue that moves nothing too early; messages of 256 KiB at most",
		slog.String("queue", e.name), slog.String("sqs", name))
	return r, nil
}

// arnOf is the ARN of a queue that cannot be asked for it.
func arnOf(region, owner, name string) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return strings.Join([]string{"arn", partition, "sqs", region, owner, name}, ":")
}

// undelayed reports whether delayed tasks have no place to wait.
func (e *queueState) undelayed() bool { return e.fifo && !e.isDLQ && e.later == nil }

// sendsOnly is the error of what needs a dead letter queue, where none is given.
func (e *queueState) sendsOnly() error {
	if e.isDLQ || e.dlq != nil {
		return nil
	}
	return fmt.Errorf("%w: queue %q is given without its dead letter queue, and only takes tasks: give Existing.DLQ to WithQueue", driver.ErrUnsupported, e.name)
}
