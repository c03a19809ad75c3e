package sqs

import (
	"context"
	"errors"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// PurgeAll empties the queue by SQS's own PurgeQueue. Unlike what
// [driver.Purger] promises it takes leased tasks along, does not say how many
// there were, and goes on for up to 60 s after it has returned: what is enqueued
// meanwhile may go too. A second call within 60 s fails with SQS's
// PurgeQueueInProgress. Dead tasks stay. It costs one request for each SQS queue.
func (q *Queue) PurgeAll(ctx context.Context) error {
	if err := q.checkOpen(); err != nil {
		return err
	}
	var err error
	for _, l := range q.state.allSources() {
		_, e := q.state.p.api.PurgeQueue(ctx, &awssqs.PurgeQueueInput{QueueUrl: &l.url})
		var busy *types.PurgeQueueInProgress
		if errors.As(e, &busy) {
			err = errors.Join(err, explain("purge "+l.name+": it was purged within the last 60 s, try again after that", e))
		} else {
			err = errors.Join(err, explain("purge "+l.name, e))
		}
	}
	return err
}
