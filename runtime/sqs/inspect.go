package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// An sqsQueue is one SQS queue, as its attributes describe it.
type sqsQueue struct {
	name, url, arn string
	fifo           bool
	maxSize        int           // of one message, in bytes
	retention      time.Duration // from the sending of a message
	policy         *redrivePolicy
	delays         bool // its DelaySeconds are more than 0, so a send must set 0
	ours           bool // it has the tag of its owner
	dead           bool // it has the tag of a dead letter queue
	assumed        bool // its attributes are not readable
}

type redrivePolicy struct {
	Target      string      `json:"deadLetterTargetArn"`
	MaxReceives json.Number `json:"maxReceiveCount"` // a number or a string
}

func (p *Provider) find(ctx context.Context, name, owner string) (*sqsQueue, error) {
	u, err := p.url(ctx, name)
	if u == "" || err != nil {
		return nil, err
	}
	return p.inspectOwned(ctx, name, owner, u)
}

// inspectOwned reads the attributes and tags of an SQS queue, and refuses one of another
// owner. Without the permission to read tags there are none.
func (p *Provider) inspectOwned(ctx context.Context, name, owner, u string) (*sqsQueue, error) {
	r, err := p.inspect(ctx, name, u)
	if err != nil {
		return nil, err
	}
	out, err := p.api.ListQueueTags(ctx, &awssqs.ListQueueTagsInput{QueueUrl: &u})
	if denied(err) {
		return r, nil
	}
	if err != nil {
		return nil, explain("read the tags of "+name, err)
	}
	of := out.Tags[queueTag]
	if of != "" && of != owner {
		return nil, fmt.Errorf("%w: the SQS queue %s belongs to the queue %q with another prefix (tag %s), and not to %q: choose another name or prefix", driver.ErrQueueMismatch, name, of, queueTag, owner)
	}
	r.ours, r.dead = of != "", out.Tags[roleTag] == roleDead
	return r, nil
}

// denied reports whether a request was refused for lack of a permission.
func denied(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && strings.Contains(answer.ErrorCode(), "AccessDenied")
}

// url returns "" if the queue does not exist.
func (p *Provider) url(ctx context.Context, name string) (string, error) {
	out, err := p.api.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: &name})
	var gone *types.QueueDoesNotExist
	if errors.As(err, &gone) {
		return "", nil
	}
	if err != nil {
		return "", explain("look for the SQS queue "+name, err)
	}
	return aws.ToString(out.QueueUrl), nil
}

func (p *Provider) inspect(ctx context.Context, name, u string) (*sqsQueue, error) {
	out, err := p.api.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &u, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return nil, explain("read the attributes of the SQS queue "+name, err)
	}
	a := out.Attributes
	r := &sqsQueue{name: name, url: u, arn: a["QueueArn"], fifo: a["FifoQueue"] == "true"}
	r.maxSize, _ = strconv.Atoi(a["MaximumMessageSize"])
	r.retention = time.Duration(number(a["MessageRetentionPeriod"])) * time.Second
	if r.delays = number(a["DelaySeconds"]) > 0; r.delays && r.fifo {
		return nil, fmt.Errorf("%w: the SQS queue %s has DelaySeconds=%s, and a message of a fifo queue cannot override it, so every task would wait: set it to 0", driver.ErrQueueMismatch, r.name, a["DelaySeconds"])
	}
	if text := a["RedrivePolicy"]; text != "" {
		r.policy = &redrivePolicy{}
		if err := json.Unmarshal([]byte(text), r.policy); err != nil {
			return nil, fmt.Errorf("the redrive policy of the SQS queue %s: %w", name, err)
		}
	}
	return r, nil
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// verify checks what every queue needs.
func (p *Provider) verify(r *sqsQueue, retention time.Duration) error {
	if r.maxSize <= reserve {
		return fmt.Errorf("%w: the SQS queue %s takes messages of %d bytes (MaximumMessageSize), and %d of them are kept free for what the runtime writes into a task: raise it, best to %d", driver.ErrQueueMismatch, r.name, r.maxSize, reserve, maxBatchSize)
	}
	if r.retention < retention {
		return fmt.Errorf("%w: the SQS queue %s drops messages after %s (MessageRetentionPeriod), and the queue's retention is %s: raise it, best to 14 days (%d)", driver.ErrQueueMismatch, r.name, r.retention, retention, int(maxRetention/time.Second))
	}
	return nil
}

// verifyLive checks a live queue, and its redrive policy against the runtime's own
// limits.
func (p *Provider) verifyLive(r, dlq *sqsQueue, cfg driver.QueueConfig) error {
	if err := p.verify(r, cfg.Retention); err != nil {
		return err
	}
	if dlq == nil {
		return nil // nothing is received here, so no policy moves a message too early
	}
	if !r.assumed && dlq.retention < r.retention {
		return fmt.Errorf("%w: the dead letter queue %s drops messages after %s, earlier than %s (%s), and a message that SQS moves keeps its age: raise its MessageRetentionPeriod", driver.ErrQueueMismatch, dlq.name, dlq.retention, r.name, r.retention)
	}
	if dlq.maxSize < r.maxSize && p.store == nil && !r.assumed && !dlq.assumed {
		return fmt.Errorf("%w: the dead letter queue %s takes messages of %d bytes (MaximumMessageSize), and %s of %d: a larger message could not be buried: make them equal", driver.ErrQueueMismatch, dlq.name, dlq.maxSize, r.name, r.maxSize)
	}
	if r.policy == nil {
		return nil
	}
	if r.policy.Target != dlq.arn {
		return fmt.Errorf("%w: the redrive policy of the SQS queue %s names %s, and the dead letter queue is %s: change the policy, or the queue's DLQ", driver.ErrQueueMismatch, r.name, r.policy.Target, dlq.arn)
	}
	receives, _ := r.policy.MaxReceives.Int64()
	switch least, why := p.leastReceives(cfg); {
	case least > maxReceives:
		return fmt.Errorf("%w: the redrive policy of the SQS queue %s moves a message after %d receives, and SQS cannot count as far as the runtime needs (%s; %d receives of at most %d): remove the policy, or lower MaxDeliveries to %d", driver.ErrQueueMismatch, r.name, receives, why, least, maxReceives, 2*(maxReceives-1)/3)
	case receives < int64(least):
		return fmt.Errorf("%w: the redrive policy of the SQS queue %s moves a message after %d receives, before the runtime can say why it died (%s): set maxReceiveCount to %d%s, or remove the policy", driver.ErrQueueMismatch, r.name, receives, why, least, orMore(least))
	}
	return nil
}

func orMore(receives int) string {
	if receives < maxReceives {
		return " or more"
	}
	return ", which is the most"
}
