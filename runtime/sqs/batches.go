package sqs

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// inBatches calls do for the messages that have no error yet, in batches of ten of
// one source, several at the same time.
func inBatches(ms []*message, errs []error, do func(l *source, part []*message) []error) {
	type batch struct {
		l    *source
		part []*message
		at   []int
	}
	var all []*batch
	last := make(map[*source]*batch)
	for i, m := range ms {
		if m == nil || errs[i] != nil {
			continue
		}
		b := last[m.source]
		if b == nil || len(b.part) == maxBatch {
			b = &batch{l: m.source}
			last[m.source] = b
			all = append(all, b)
		}
		b.part, b.at = append(b.part, m), append(b.at, i)
	}
	concurrently(all, func(b *batch) {
		for k, err := range do(b.l, b.part) {
			errs[b.at[k]] = err
		}
	})
}

// resolveStaleHandles calls do with a batch. It treats a stale receipt handle as success if
// the answer to this request, or to an earlier one for the same message, was lost: SQS has
// carried it out, and says that the handle is used up. If the request only extends a lease,
// a stale handle is a lost lease.
func resolveStaleHandles(ctx context.Context, settles bool, part []*message, numbers []int, do func(context.Context) (map[int]entryResult, error)) (map[int]entryResult, error) {
	ctx, tries := counting(ctx)
	all, err := do(ctx)
	for _, n := range numbers {
		m := part[n]
		if err != nil {
			if settles && unanswered(err, tries.Load()) { // an Extend leaves it alone: another call may settle the message
				m.outcomeUnknown = true
			}
		} else if v := all[n]; v.stale {
			if settles && (m.outcomeUnknown || tries.Load() > 1) {
				all[n] = entryResult{}
			} else {
				all[n] = entryResult{err: fmt.Errorf("%w: %w", driver.ErrLeaseLost, v.err)}
			}
		}
	}
	return all, err
}

// unanswered reports whether a failed request may have been carried out: it was sent, and
// was not refused in its only try.
func unanswered(err error, tries int64) bool {
	var answer *awshttp.ResponseError
	refused := errors.As(err, &answer) && answer.HTTPStatusCode() >= 400 && answer.HTTPStatusCode() < 500
	return tries > 1 || tries == 1 && !refused
}

// deleteMessages deletes messages.
func (e *queueState) deleteMessages(ctx context.Context, ms []*message, errs []error) {
	inBatches(ms, errs, func(l *source, part []*message) []error {
		return entries(ctx, len(part), func(numbers []int) (map[int]entryResult, error) {
			batch := make([]types.DeleteMessageBatchRequestEntry, len(numbers))
			for i, n := range numbers {
				batch[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), ReceiptHandle: &part[n].handle}
			}
			return resolveStaleHandles(ctx, true, part, numbers, func(ctx context.Context) (map[int]entryResult, error) {
				out, err := e.p.api.DeleteMessageBatch(ctx, &awssqs.DeleteMessageBatchInput{QueueUrl: &l.url, Entries: batch})
				if err != nil {
					return nil, explain("delete from "+l.name, err)
				}
				return entryResults(out.Successful, func(s types.DeleteMessageBatchResultEntry) *string { return s.Id }, out.Failed), nil
			})
		})
	})
}

// hide makes messages invisible for the given number of seconds from now; 0 makes
// them visible. settles says that the messages' leases are over with it.
func (e *queueState) hide(ctx context.Context, settles bool, ms []*message, errs []error, secs func(*message) int32) {
	inBatches(ms, errs, func(l *source, part []*message) []error {
		return entries(ctx, len(part), func(numbers []int) (map[int]entryResult, error) {
			batch := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(numbers))
			for i, n := range numbers {
				batch[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), ReceiptHandle: &part[n].handle, VisibilityTimeout: secs(part[n])}
			}
			return resolveStaleHandles(ctx, settles, part, numbers, func(ctx context.Context) (map[int]entryResult, error) {
				out, err := e.p.api.ChangeMessageVisibilityBatch(ctx, &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: &l.url, Entries: batch})
				if err != nil {
					return nil, explain("change the visibility of messages of "+l.name, err)
				}
				return entryResults(out.Successful, func(s types.ChangeMessageVisibilityBatchResultEntry) *string { return s.Id }, out.Failed), nil
			})
		})
	})
}
