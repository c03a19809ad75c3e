package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Delete implements [driver.Deleter]. It deletes the SQS queues of the queue, one request for
// each. SQS queues that were given by [WithQueue] are not the provider's to delete: the error
// wraps driver.ErrUnsupported. In other processes the queue is an error wrapping
// driver.ErrUnknownQueue from then on.
//
// The dead letter queue is deleted if it has the default name and SQS knows no redrive policy
// of another queue that names it. Any other stays, with all that is on it: SQS shows a message
// only by handing it out. Payloads in a [Store] stay, too.
//
// AWS goes on with a deletion for up to 60 s, and refuses to create an SQS queue of the same
// name for as long: Open then returns an error that says so.
func (q *Queue) Delete(ctx context.Context) error {
	e := q.state
	switch {
	case e.isDLQ:
		return driver.NoDelete(q.cfg.Name)
	case e.onExisting:
		return fmt.Errorf("%w: the SQS queues of %q were given by WithQueue: delete them where they are declared", driver.ErrUnsupported, q.cfg.Name)
	}
	return q.deletion.Run(ctx, q.checkOpen, e.closeHandles, func(ctx context.Context) error {
		if err := e.remove(ctx, q.cfg); err != nil {
			return fmt.Errorf("delete queue %q in SQS: %w", q.cfg.Name, err)
		}
		return nil
	})
}

// closeHandles closes all handles of the queue, without waiting for polls: nobody will need what
// they bring.
func (e *queueState) closeHandles() {
	e.mu.Lock()
	handles := slices.Clone(e.handles)
	e.mu.Unlock()
	var closed sync.WaitGroup
	for _, q := range handles {
		closed.Go(func() { _ = q.Close() })
	}
	for _, q := range handles {
		<-q.done // its Dequeues return that, and not the end of their polls
	}
	e.cancelPolls()
	e.cancelBackground()
	closed.Wait()
}

func (e *queueState) remove(ctx context.Context, cfg driver.QueueConfig) error {
	select {
	case e.p.opening <- struct{}{}: // an Open must not find queues that are about to go
		defer func() { <-e.p.opening }()
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
	own, err := e.ownsDLQ(ctx, cfg)
	if err != nil {
		return err
	}
	for _, l := range e.allSources() {
		if err := e.p.deleteQueue(ctx, l.sqsQueue); err != nil {
			return err
		}
	}
	if !own {
		return nil
	}
	delete(e.p.dead, e.dlq.name)
	e.p.mu.Lock()
	dead := e.p.states[cfg.DLQ]
	e.p.mu.Unlock()
	if dead != nil {
		dead.closeHandles()
	}
	return e.p.deleteQueue(ctx, e.dlq)
}

// ownsDLQ reports whether no other queue has the queue's dead letter queue, as far as SQS
// tells.
func (e *queueState) ownsDLQ(ctx context.Context, cfg driver.QueueConfig) (bool, error) {
	if cfg.DLQ != cfg.Name+"-dlq" {
		return false, nil
	}
	pages := awssqs.NewListDeadLetterSourceQueuesPaginator(e.p.api.Client, &awssqs.ListDeadLetterSourceQueuesInput{QueueUrl: &e.dlq.url})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var gone *types.QueueDoesNotExist
		switch {
		case errors.As(err, &gone):
			return true, nil // an earlier call has deleted it
		case denied(err):
			return false, nil
		case lacksAction(err):
			return true, nil // the name alone decides
		case err != nil:
			return false, explain("list the queues that share "+e.dlq.name, err)
		}
		for _, u := range page.QueueUrls {
			if !slices.ContainsFunc(e.sources, func(l *source) bool { return sameQueue(l.url, u) }) {
				return false, nil
			}
		}
	}
	return true, nil
}

// lacksAction reports whether a server, one that is not of AWS, does not know the action. Any
// other refusal says nothing about it.
func lacksAction(err error) bool {
	var refused smithy.APIError
	if !errors.As(err, &refused) {
		return false
	}
	return slices.ContainsFunc([]string{"InvalidAction", "UnknownOperation", "UnsupportedOperation"}, func(code string) bool {
		return strings.Contains(refused.ErrorCode(), code)
	})
}

// sameQueue compares URLs of SQS queues, whatever the host by which a server calls itself.
func sameQueue(a, b string) bool {
	aOwner, aName := ownerAndName(a)
	bOwner, bName := ownerAndName(b)
	return aOwner == bOwner && aName == bName
}

// deleteQueue deletes an SQS queue. One that does not exist is no error.
func (p *Provider) deleteQueue(ctx context.Context, r *sqsQueue) error {
	_, err := p.api.DeleteQueue(ctx, &awssqs.DeleteQueueInput{QueueUrl: &r.url})
	var gone *types.QueueDoesNotExist
	if errors.As(err, &gone) {
		return nil
	}
	return explain("delete the SQS queue "+r.name, err)
}
