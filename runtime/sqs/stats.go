package sqs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Stats implements [driver.Queue]. SQS counts approximately: the numbers trail by
// seconds, more after bursts. It costs one request for each SQS queue, whatever
// is on them. Dead counts the whole dead letter queue, whichever queue the tasks
// died on, and OldestAge is 0: SQS tells the age of the oldest message only to
// CloudWatch.
func (q *Queue) Stats(ctx context.Context) (driver.Stats, error) {
	if err := q.checkOpen(); err != nil {
		return driver.Stats{}, err
	}
	e := q.state
	e.awaitMoves(ctx)
	type count struct {
		r   *sqsQueue
		n   numbers
		err error
	}
	var all []*count
	for _, l := range e.allSources() {
		all = append(all, &count{r: l.sqsQueue})
	}
	if e.dlq != nil {
		all = append(all, &count{r: e.dlq})
	}
	concurrently(all, func(c *count) { c.n, c.err = e.p.count(ctx, c.r) })
	var s driver.Stats
	var err error
	for i, c := range all {
		err = errors.Join(err, c.err)
		switch {
		case i < len(e.sources):
			s.Ready += c.n.visible
			s.Scheduled += c.n.delayed
			s.Leased += c.n.hidden
		case e.later != nil && c.r == e.later.sqsQueue:
			s.Scheduled += c.n.visible + c.n.delayed + c.n.hidden
		default:
			s.Dead += c.n.visible + c.n.delayed + c.n.hidden
		}
	}
	if err != nil {
		return driver.Stats{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	here := min(int64(e.unleased()), s.Leased) // SQS thinks that we work on them
	s.Ready, s.Leased = s.Ready+here, s.Leased-here
	return s, nil
}

// recentPoll is how long a poll may be on its way back with what was ready when it was
// sent. What it brings counts as leased until it has ended.
const recentPoll = 50 * time.Millisecond

// awaitMoves waits for polls that were sent just now, and for what is on its way
// between two places by this process's doing.
func (e *queueState) awaitMoves(ctx context.Context) {
	brief, cancel := context.WithTimeout(ctx, recentPoll)
	defer cancel()
	e.mu.Lock()
	var all []chan struct{}
	for _, l := range e.sources {
		for done, f := range l.inFlight {
			if time.Since(f.began) < recentPoll {
				all = append(all, done)
			}
		}
	}
	e.mu.Unlock()
	for _, done := range all {
		select {
		case <-done:
		case <-brief.Done():
		}
	}
	e.mu.Lock()
	moves := slices.Collect(maps.Keys(e.moving))
	e.mu.Unlock()
	patient, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	for _, over := range moves {
		select {
		case <-over:
		case <-patient.Done():
			return
		}
	}
}

type numbers struct{ visible, hidden, delayed int64 }

func (p *Provider) count(ctx context.Context, r *sqsQueue) (numbers, error) {
	out, err := p.api.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &r.url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}})
	if err != nil {
		return numbers{}, explain("count the messages of "+r.name, err)
	}
	a := out.Attributes
	return numbers{
		number(a["ApproximateNumberOfMessages"]),
		number(a["ApproximateNumberOfMessagesNotVisible"]),
		number(a["ApproximateNumberOfMessagesDelayed"]),
	}, nil
}
