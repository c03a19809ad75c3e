package sqs

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// An outgoing message is one that is about to be sent.
type outgoing struct {
	to      *sqsQueue
	task    *driver.Task
	delay   time.Duration // until the task is due
	attrs   map[string]string
	sender  senderAttributes
	raw     *string // the body, of a message that is no task, or that a Codec has written
	byCodec bool    // a Codec has: what else there is of the task is in an attribute
	group   string  // message group, on a fifo queue
	dedup   string  // deduplication ID, on a fifo queue

	body  string
	size  int
	index int // in the caller's batch
	err   error
}

// prepare encodes a message and says when it is too large.
func (o *outgoing) prepare() {
	if o.err = nil; o.byCodec {
		if o.attrs == nil {
			o.attrs = make(map[string]string, 1)
		}
		o.attrs[attrTask] = body(withoutPayload(o.task))
	}
	if o.raw != nil {
		o.body = *o.raw
	} else {
		o.body = body(o.task)
	}
	o.size = len(o.body) + o.sender.size()
	for k, v := range o.attrs {
		o.size += len(k) + len("String") + len(v)
	}
	if o.size > o.to.maxSize {
		o.err = fmt.Errorf("%w: task %s (%s) is %d bytes as a message (payload %d), and the SQS queue %s takes %d: make it smaller, or open the provider WithStore", driver.ErrPayloadTooLarge, o.task.ID, o.task.Type, o.size, len(o.task.Payload), o.to.name, o.to.maxSize)
	}
}

func (o *outgoing) entry(id int) types.SendMessageBatchRequestEntry {
	e := types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(id)), MessageBody: &o.body, MessageAttributes: o.attributes()}
	if o.sender.trace != "" {
		e.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			string(types.MessageSystemAttributeNameForSendsAWSTraceHeader): {DataType: aws.String("String"), StringValue: &o.sender.trace},
		}
	}
	if o.to.fifo {
		e.MessageGroupId, e.MessageDeduplicationId = &o.group, &o.dedup
		return e
	}
	if o.sender.group != "" {
		e.MessageGroupId = &o.sender.group
	}
	if e.DelaySeconds = seconds(min(max(o.delay, 0), maxDelay)); e.DelaySeconds == 0 && o.to.delays {
		e.DelaySeconds = -1
	}
	return e
}

// send sends messages in batches of at most ten and 1 MiB in all. The errors stand
// in the order of the messages. What goes to one message group is sent in order, and
// nothing of it after a failure. Where SQS finds a batch too large, whatever we have
// counted, smaller ones are tried.
func (p *Provider) send(ctx context.Context, all []*outgoing) []error {
	concurrently(streams(all), func(stream []*outgoing) {
		broken := make(map[string]bool) // groups of which one could not be sent
		most := maxBatchSize
		for len(stream) > 0 {
			part, rest := cutBatch(stream, broken, most)
			if len(part) == 0 {
				return
			}
			errs := p.sendBatch(ctx, part)
			var long *types.BatchRequestTooLong
			if errors.As(errs[0], &long) && len(part) > 1 {
				most = sizeOf(part) / 2
				stream = slices.Concat(part, rest)
				continue
			}
			for i, err := range errs {
				if errors.As(err, &long) {
					err = fmt.Errorf("%w: task %s (%s) is %d bytes as a message: %w", driver.ErrPayloadTooLarge, part[i].task.ID, part[i].task.Type, part[i].size, errors.Unwrap(err))
				}
				if part[i].err = err; err != nil && part[i].to.fifo {
					broken[part[i].group] = true
				}
			}
			stream = rest
		}
	})
	errs := make([]error, len(all))
	for i, o := range all {
		errs[i] = o.err
	}
	return errs
}

func sizeOf(part []*outgoing) (n int) {
	for _, o := range part {
		n += o.size
	}
	return n
}

var seed = maphash.MakeSeed()

// streams parts messages by their SQS queue into what can be sent at the same time:
// batches of a standard queue, and all messages of a group together.
func streams(all []*outgoing) [][]*outgoing {
	var order [][2]any
	parts := make(map[[2]any][]*outgoing)
	add := func(key [2]any, o *outgoing) {
		if parts[key] == nil {
			order = append(order, key)
		}
		parts[key] = append(parts[key], o)
	}
	standard := make(map[string]int)
	sizes := make(map[string]int)
	streamCount := (len(all) + maxBatch - 1) / maxBatch
	for _, o := range all {
		if o.to.fifo {
			add([2]any{o.to.url, maphash.String(seed, o.group) % uint64(min(streamCount, parallel))}, o)
			continue
		}
		n, size := standard[o.to.url], sizes[o.to.url]+o.size
		if len(parts[[2]any{o.to.url, n}]) == maxBatch || size > maxBatchSize {
			n, size = n+1, o.size
			standard[o.to.url] = n
		}
		sizes[o.to.url] = size
		add([2]any{o.to.url, n}, o)
	}
	out := make([][]*outgoing, len(order))
	for i, key := range order {
		out[i] = parts[key]
	}
	return out
}

// cutBatch takes one batch of at most so many bytes from the front of a stream, leaving
// out what cannot be sent. A message that is larger by itself is one.
func cutBatch(stream []*outgoing, broken map[string]bool, most int) (part, rest []*outgoing) {
	size := 0
	for i, o := range stream {
		if o.to.fifo && broken[o.group] && o.err == nil {
			o.err = fmt.Errorf("%w: task %s was not sent: an earlier task of its group could not be sent, and would come after it", driver.ErrUnavailable, o.task.ID)
		}
		if o.err != nil {
			if o.to.fifo {
				broken[o.group] = true
			}
			continue
		}
		if len(part) == maxBatch || len(part) > 0 && size+o.size > most {
			return part, stream[i:]
		}
		part = append(part, o)
		size += o.size
	}
	return part, nil
}

func (p *Provider) sendBatch(ctx context.Context, part []*outgoing) []error {
	to := part[0].to
	var how []func(*awssqs.Options)
	if to.delays {
		how = append(how, explicitZero)
	}
	return entries(ctx, len(part), func(numbers []int) (map[int]entryResult, error) {
		batch := make([]types.SendMessageBatchRequestEntry, len(numbers))
		for i, n := range numbers {
			batch[i] = part[n].entry(n)
		}
		out, err := p.api.SendMessageBatch(ctx, &awssqs.SendMessageBatchInput{QueueUrl: &to.url, Entries: batch}, how...)
		if err != nil {
			return nil, explain("send to "+to.name, err)
		}
		all := entryResults(out.Successful, func(s types.SendMessageBatchResultEntry) *string { return s.Id }, out.Failed)
		if to.fifo {
			inOrder(part, numbers, all)
		}
		return all, nil
	})
}

// inOrder clears retry of entries that would come out of order if they were sent again: after
// a later one of their group that was sent, or after an earlier one that never will be.
func inOrder(part []*outgoing, numbers []int, all map[int]entryResult) {
	last := make(map[string]int) // of each group, that was sent
	for _, n := range numbers {
		if v, ok := all[n]; ok && v.err == nil {
			last[part[n].group] = n
		}
	}
	broken := make(map[string]bool)
	for _, n := range numbers {
		v, ok := all[n]
		if ok && v.err == nil {
			continue
		}
		if !ok {
			v = entryResult{err: errNoAnswer, retry: true}
		}
		group := part[n].group
		sent, any := last[group]
		if v.retry = v.retry && !broken[group] && (!any || n > sent); !v.retry {
			broken[group] = true
		}
		all[n] = v
	}
}
