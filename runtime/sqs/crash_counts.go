package sqs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

// crashCounts count the deliveries of fifo tasks to workers that had no outcome: so a task
// is found that kills its process. SQS's receive count only shows for which tasks to keep such a
// count. A message cannot be changed in place, and the process's memory dies with it,
// so the count is in a tag of the SQS queue. The tag exists only while such a task is
// with a worker or has killed one. The count errs in the task's favour: without the
// permission, or if SQS throttles, nothing is counted, and only the redrive policy
// stops the task. A queue of WithQueue is not tagged at all.
type crashCounts struct {
	mu     sync.Mutex
	tags   map[string]string // of the SQS queue, as last read
	read   time.Time
	warned bool
}

const (
	// tagStarts precedes a message's ID in the key of a tag. The value is how often the
	// task began without an outcome, and when it last did.
	tagStarts = "taskgen-began-"
	// readTags is the least time between reads of the tags. A message without a count
	// gets one after the next read.
	readTags = time.Second
	tagTime  = 2 * time.Second
)

// receivedOften returns the messages that were received more often than a task may kill its
// process.
func (e *queueState) receivedOften(ms []*message, deliveries int) (receivedOften []*message) {
	for _, m := range ms {
		if e.fifo && !e.isDLQ && !e.onExisting && m.receives > deliveries {
			receivedOften = append(receivedOften, m)
		}
	}
	return receivedOften
}

// countStarts records that messages of receivedOften go to workers, and sets in each how
// often it has killed its process.
func (e *queueState) countStarts(ctx context.Context, ms []*message, lost map[*message]bool, deliveries int) {
	receivedOften := slices.DeleteFunc(e.receivedOften(ms, deliveries), func(m *message) bool { return lost[m] })
	if len(receivedOften) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tagTime)
	defer cancel()
	k, now, url := e.crashCounts, e.p.clock.Now(), &e.sources[0].url
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := time.Since(k.read) >= readTags
	if fresh {
		k.read = time.Now()
		out, err := e.p.api.ListQueueTags(ctx, &awssqs.ListQueueTagsInput{QueueUrl: url})
		if err != nil {
			e.warnCrashCounts(err)
			return
		}
		if k.tags = out.Tags; k.tags == nil {
			k.tags = make(map[string]string)
		}
		e.forgetOld(ctx, now)
	}
	noted := make(map[string]string)
	for _, m := range receivedOften {
		value, known := k.tags[m.tagKey()]
		if !known && !fresh {
			continue
		}
		m.starts, _ = parseStarts(value)
		m.counted = true
		if m.crashes = 0; m.starts > 0 {
			// Another task may have caused the first crash: from then on it runs alone.
			m.crashes = (deliveries+1)/2 + m.starts - 1
		}
		noted[m.tagKey()] = fmt.Sprintf("%d@%d", m.starts+1, now.Unix())
	}
	if err := e.tag(ctx, noted); err != nil {
		for _, m := range receivedOften {
			m.counted = false
		}
	}
}

// recordOutcomes records that messages got an outcome or were not handed out. Those that are
// gone need no tag.
func (e *queueState) recordOutcomes(ctx context.Context, ms []*message, errs []error, gone bool) {
	var over []string
	noted := make(map[string]string)
	now := e.p.clock.Now().Unix()
	for i, m := range ms {
		switch {
		case m == nil || errs[i] != nil || !m.counted:
			continue
		case gone || m.starts == 0:
			over = append(over, m.tagKey())
		default:
			noted[m.tagKey()] = fmt.Sprintf("%d@%d", m.starts, now)
		}
		m.counted = false
	}
	if len(over)+len(noted) == 0 {
		return
	}
	e.runDetached(ctx, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, tagTime)
		defer cancel()
		e.crashCounts.mu.Lock()
		defer e.crashCounts.mu.Unlock()
		_ = e.tag(ctx, noted)
		e.untag(ctx, over)
	})
}

// tag and untag change the tags of the SQS queue and their copy here. crashCounts.mu is
// held.
func (e *queueState) tag(ctx context.Context, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	_, err := e.p.api.TagQueue(ctx, &awssqs.TagQueueInput{QueueUrl: &e.sources[0].url, Tags: tags})
	if err != nil {
		e.warnCrashCounts(err)
		return err
	}
	for key, value := range tags {
		e.crashCounts.tags[key] = value
	}
	return nil
}

func (e *queueState) untag(ctx context.Context, keys []string) {
	if len(keys) == 0 {
		return
	}
	_, err := e.p.api.UntagQueue(ctx, &awssqs.UntagQueueInput{QueueUrl: &e.sources[0].url, TagKeys: keys})
	if err != nil {
		e.warnCrashCounts(err)
		return
	}
	for _, key := range keys {
		delete(e.crashCounts.tags, key)
	}
}

// forgetOld removes the tags of messages that SQS no longer keeps.
func (e *queueState) forgetOld(ctx context.Context, now time.Time) {
	var old []string
	for key, value := range e.crashCounts.tags {
		if _, at := parseStarts(value); strings.HasPrefix(key, tagStarts) && now.Sub(at) > maxRetention {
			old = append(old, key)
		}
	}
	e.untag(ctx, old)
}

// warnCrashCounts logs once which permission is missing. crashCounts.mu is held.
func (e *queueState) warnCrashCounts(err error) {
	if !e.crashCounts.warned {
		e.crashCounts.warned = true
		e.p.logger().Warn("sqs: cannot count the runs of a task that kills its process (sqs:ListQueueTags, sqs:TagQueue, sqs:UntagQueue): only the redrive policy stops it", slog.String("queue", e.name), slog.Any("error", err))
	}
}

func (m *message) tagKey() string { return tagStarts + token(m.id) }

func parseStarts(value string) (n int, at time.Time) {
	count, seconds, _ := strings.Cut(value, "@")
	return int(number(count)), time.Unix(number(seconds), 0)
}
