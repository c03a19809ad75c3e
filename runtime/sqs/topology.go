package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// roleTag marks a dead letter queue for processes that open it by name.
const roleTag, roleDead = "taskgen-role", "dlq"

// queueTag names the owner of an SQS queue: two pairs of prefix and name may give the
// same SQS name.
const queueTag = "taskgen-queue"

// build makes the state of a queue: it finds or creates the SQS queues.
func (p *Provider) build(ctx context.Context, cfg driver.QueueConfig) (*queueState, error) {
	if cfg.Capacity > 0 {
		return nil, fmt.Errorf("%w: SQS does not bound the number of tasks (Capacity %d): leave it out", driver.ErrUnsupported, cfg.Capacity)
	}
	if cfg.Retention > maxRetention {
		return nil, fmt.Errorf("%w: SQS keeps a message for 14 days, and the retention is to be %s", driver.ErrUnsupported, cfg.Retention)
	}
	if cfg.Visibility > maxLease {
		return nil, fmt.Errorf("%w: SQS leases a message for 12 hours at most, and the visibility is to be %s", driver.ErrUnsupported, cfg.Visibility)
	}
	e := &queueState{p: p, name: cfg.Name, kind: cfg.Type, levels: cfg.Levels, deadName: cfg.DLQ, leased: make(map[driver.Receipt]*message), attemptHints: newAttemptHints(), crashCounts: &crashCounts{}, lastMessage: time.Now()}
	if on, dead, ok := p.existingFor(cfg); ok {
		return e, p.openExisting(ctx, e, on, dead, cfg)
	}
	n, dlqNames := names{p.prefix, cfg.Name}, names{p.prefix, cfg.DLQ}
	if err := errors.Join(n.check(), dlqNames.check()); err != nil {
		return nil, err
	}
	if found, err := p.openDead(ctx, e, n, cfg); found || err != nil {
		return e, err
	}
	if err := p.mismatched(ctx, cfg.Type, n); err != nil {
		return nil, err
	}
	if err := p.ensureQueues(ctx, e, n, dlqNames, cfg); err != nil {
		return nil, err
	}
	return e, nil
}

// openDead opens a queue by name if it is a dead letter queue.
func (p *Provider) openDead(ctx context.Context, e *queueState, n names, cfg driver.QueueConfig) (bool, error) {
	if e.kind != driver.Standard {
		return false, nil
	}
	for _, name := range []string{n.standard(), n.fifo()} {
		r, err := p.find(ctx, name, e.name)
		if err != nil || r == nil {
			if err != nil {
				return false, err
			}
			continue
		}
		dead := p.dead[name]
		if !dead {
			if dead, err = p.isDead(ctx, r); err != nil {
				return false, err
			}
		}
		if !dead {
			return false, nil
		}
		e.isDLQ, e.fifo = true, r.fifo
		e.sources = []*source{newSource(e, r, 0)}
		return true, errors.Join(cfg.AsDead(), p.verify(r, 0))
	}
	return false, nil
}

// isDead reports whether an SQS queue is some queue's dead letter queue: it has the
// tag, or SQS knows it as the target of a redrive policy.
func (p *Provider) isDead(ctx context.Context, r *sqsQueue) (bool, error) {
	if r.dead {
		return true, nil
	}
	sources, err := p.api.ListDeadLetterSourceQueues(ctx, &awssqs.ListDeadLetterSourceQueuesInput{QueueUrl: &r.url})
	// Without the permission, or on a server without the action, the tag alone decides.
	return err == nil && len(sources.QueueUrls) > 0, nil
}

// mismatched reports whether a queue of this name and another type exists.
func (p *Provider) mismatched(ctx context.Context, kind driver.QueueType, n names) error {
	others := map[driver.QueueType]string{driver.Standard: n.standard(), driver.FIFO: n.fifo(), driver.Priority: n.level(0)}
	if u, err := p.url(ctx, others[kind]); u != "" || err != nil {
		return err
	}
	for other, name := range others {
		u, err := p.url(ctx, name)
		if err != nil {
			return err
		}
		if u != "" && other != kind {
			return fmt.Errorf("%w: it is of type %s in SQS (%s), and %s is asked for", driver.ErrQueueMismatch, other, name, kind)
		}
	}
	return nil
}

// ensureQueues finds or creates a live queue and its dead letter queue.
func (p *Provider) ensureQueues(ctx context.Context, e *queueState, n, dlqNames names, cfg driver.QueueConfig) error {
	e.fifo = cfg.Type == driver.FIFO
	want := []string{n.standard()}
	dlqName := dlqNames.standard()
	switch cfg.Type {
	case driver.FIFO:
		want, dlqName = []string{n.fifo()}, dlqNames.fifo()
	case driver.Priority:
		want = want[:0]
		for level := cfg.Levels - 1; level >= 0; level-- {
			want = append(want, n.level(level))
		}
		if above, err := p.url(ctx, n.level(cfg.Levels)); err != nil && !denied(err) {
			return err
		} else if above != "" {
			return fmt.Errorf("%w: it has more than %d levels in SQS (%s is there): open it with as many, or delete what is left of an earlier one", driver.ErrQueueMismatch, cfg.Levels, n.level(cfg.Levels))
		}
	}
	dead := driver.Standard
	if e.fifo {
		dead = driver.FIFO
	}
	err := p.mismatched(ctx, dead, dlqNames)
	if err != nil {
		return fmt.Errorf("its dead letter queue %q: %w", cfg.DLQ, err)
	}
	if e.dlq, err = p.ensure(ctx, dlqName, dlqNames.name, p.attributes(cfg, nil), map[string]string{roleTag: roleDead}); err != nil {
		return fmt.Errorf("its dead letter queue: %w", err)
	}
	if err := p.refuseTaskQueue(ctx, e.dlq, cfg); err != nil {
		return fmt.Errorf("its dead letter queue %q: %w", cfg.DLQ, err)
	}
	p.dead[dlqName] = true
	if err := p.verify(e.dlq, 0); err != nil {
		return err
	}
	for i, name := range want {
		r, err := p.ensure(ctx, name, n.name, p.attributes(cfg, e.dlq), nil)
		if err != nil {
			return err
		}
		if r.dead || p.dead[name] {
			return fmt.Errorf("%w: the SQS queue %s is the dead letter queue of another queue: name another", driver.ErrQueueMismatch, name)
		}
		if err := p.verifyLive(r, e.dlq, cfg); err != nil {
			return err
		}
		e.ours = e.ours || r.ours
		e.sources = append(e.sources, newSource(e, r, len(want)-1-i))
	}
	if !e.fifo {
		return nil
	}
	standard := cfg
	standard.Type = driver.Standard
	later, err := p.ensure(ctx, n.later(), n.name, p.attributes(standard, nil), nil)
	if err != nil {
		return err
	}
	e.later = newSource(e, later, 0)
	return p.verify(later, 0)
}

// refuseTaskQueue refuses to make a queue for tasks the dead letter queue of another. Such
// a queue was opened as a queue, or has a dead letter queue of its own. The default name is
// unambiguous.
func (p *Provider) refuseTaskQueue(ctx context.Context, dlq *sqsQueue, cfg driver.QueueConfig) error {
	if dlq.dead || p.dead[dlq.name] || cfg.DLQ == cfg.Name+"-dlq" || dlq.policy == nil && !dlq.ours {
		return nil
	}
	if dead, err := p.isDead(ctx, dlq); err != nil || dead {
		return err
	}
	return fmt.Errorf("%w: the SQS queue %s is for tasks, with a dead letter queue of its own: name another or, if nothing works on it, give it the tag %s=%s", driver.ErrQueueMismatch, dlq.name, roleTag, roleDead)
}

// recheck compares an open queue with another opener's declaration.
func (p *Provider) recheck(ctx context.Context, e *queueState, cfg driver.QueueConfig) error {
	if e.kind != cfg.Type || e.levels != cfg.Levels {
		return fmt.Errorf("%w: it is open here with type %s and %d levels, and %s with %d is asked for", driver.ErrQueueMismatch, e.kind, e.levels, cfg.Type, cfg.Levels)
	}
	if e.isDLQ {
		return cfg.AsDead()
	}
	for _, l := range e.sources {
		r, err := l.sqsQueue, error(nil)
		if !r.assumed {
			r, err = p.inspect(ctx, l.name, l.url)
		}
		if err == nil {
			err = p.verifyLive(r, e.dlq, cfg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attributes are the attributes of a queue to create. dlq is nil if it has no dead
// letter queue.
func (p *Provider) attributes(cfg driver.QueueConfig, dlq *sqsQueue) map[string]string {
	a := map[string]string{
		"MessageRetentionPeriod":        strconv.Itoa(int(maxRetention / time.Second)),
		"MaximumMessageSize":            strconv.Itoa(maxBatchSize),
		"DelaySeconds":                  "0",
		"ReceiveMessageWaitTimeSeconds": "0",
		"VisibilityTimeout":             strconv.Itoa(int(seconds(cfg.Visibility))),
	}
	if cfg.Type == driver.FIFO {
		a["FifoQueue"] = "true"
		a["DeduplicationScope"] = "messageGroup"
		a["FifoThroughputLimit"] = "perMessageGroupId"
	}
	if receives := p.backstop(cfg); dlq != nil && receives > 0 {
		policy, _ := json.Marshal(map[string]any{"deadLetterTargetArn": dlq.arn, "maxReceiveCount": receives})
		a["RedrivePolicy"] = string(policy)
	}
	return a
}

// leastReceives is the lowest maxReceiveCount of a redrive policy with which SQS moves
// only messages that the runtime would have buried. It is more than maxReceives if SQS
// cannot count that far. why says what needs so many receives.
func (p *Provider) leastReceives(cfg driver.QueueConfig) (least int, why string) {
	// A pool suspects a task that has ended half of MaxDeliveries workers, and runs it
	// alone MaxDeliveries times more. It buries the task on the next receive.
	least = (cfg.MaxDeliveries+1)/2 + cfg.MaxDeliveries + 1
	switch {
	case least > maxReceives:
		return least, fmt.Sprintf("MaxDeliveries is %d", cfg.MaxDeliveries)
	case cfg.Type == driver.FIFO:
		return maxReceives, "on a fifo queue a group is received together, and each receive counts for tasks that only stood behind another"
	case p.byVisibility:
		return maxReceives, "with RetryByVisibility each retry is a receive"
	}
	return least, fmt.Sprintf("MaxDeliveries is %d, and a task is buried after half as many crashes more", cfg.MaxDeliveries)
}

// backstop is the maxReceiveCount of a queue to create. It is far enough above the
// runtime's own limit that SQS moves a message only if no worker gets as far as to bury
// it. 0: SQS cannot count that far.
func (p *Provider) backstop(cfg driver.QueueConfig) int {
	const spare = 20
	least, _ := p.leastReceives(cfg)
	if least > maxReceives {
		return 0
	}
	return min(max(least, 2*cfg.MaxDeliveries+spare), maxReceives)
}

// ensure finds or creates an SQS queue. owner is the queue that uses it.
func (p *Provider) ensure(ctx context.Context, name, owner string, attributes, tags map[string]string) (*sqsQueue, error) {
	r, err := p.find(ctx, name, owner)
	if r != nil || err != nil {
		return r, err
	}
	if p.forbidCreate {
		return nil, fmt.Errorf("the SQS queue %s does not exist, and WithoutCreate forbids creating it", name)
	}
	all := map[string]string{queueTag: owner}
	maps.Copy(all, tags)
	made, err := p.api.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes, Tags: all})
	if denied(err) { // with tags it also needs sqs:TagQueue
		made, err = p.api.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	}
	if err != nil {
		var exists *types.QueueNameExists
		if !errors.As(err, &exists) {
			return nil, explain("create the SQS queue "+name, err)
		}
		// Another process was faster, and created it with other attributes.
		if r, err := p.find(ctx, name, owner); r != nil || err != nil {
			return r, err
		}
		return nil, explain("create the SQS queue "+name, err)
	}
	return p.inspectOwned(ctx, name, owner, aws.ToString(made.QueueUrl)) // another process may have just created it
}

// seconds rounds up to whole seconds, the unit of SQS.
func seconds(d time.Duration) int32 {
	if d <= 0 {
		return 0
	}
	return int32((d + time.Second - 1) / time.Second)
}
