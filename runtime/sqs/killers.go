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

// A fifo task that kills its process is found by counting its deliveries to workers
// that had no outcome. SQS's receive count only shows for which tasks to keep such a
// count. A message cannot be changed in place, and the process's memory dies with it,
// so the count is in a tag of the SQS queue. The tag exists only while such a task is
// with a worker or has killed one. The count errs in the task's favour: without the
// permission, or if SQS throttles, nothing is counted, and only the redrive policy
// stops the task. A queue of WithQueue is not tagged at all.
type killers struct {
	mu   sync.Mutex
	tags map[string]string // of the SQS queue, as last read
	read time.Time
	told bool
}

const (
	// tagBegan precedes a message's ID in the key of a tag. The value is how often the
	// task began without an outcome, and when it last did.
	tagBegan = "taskgen-began-"
	// readTags is the least time between reads of the tags. A message without a count
	// gets one after the next read.
	readTags = time.Second
	tagTime  = 2 * time.Second
)

// often returns the messages that were received more often than a task may kill its
// process.
func (e *engine) often(ms []*message, deliveries int) (often []*message) {
	for _, m := range ms {
		if e.fifo && !e.isDLQ && !e.adopted && m.receives > deliveries {
			often = append(often, m)
		}
	}
	return often
}

// begin notes that messages of often go to workers, and sets in each how often it has
// killed its process.
func (e *engine) begin(ctx context.Context, ms []*message, lost map[*message]bool, deliveries int) {
	often := slices.DeleteFunc(e.often(ms, deliveries), func(m *message) bool { return lost[m] })
	if len(often) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tagTime)
	defer cancel()
	k, now, url := e.killers, e.p.clock.Now(), &e.lanes[0].url
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := time.Since(k.read) >= readTags
	if fresh {
		k.read = time.Now()
		out, err := e.p.api.ListQueueTags(ctx, &awssqs.ListQueueTagsInput{QueueUrl: url})
		if err != nil {
			e.tellKillers(err)
			return
		}
		if k.tags = out.Tags; k.tags == nil {
			k.tags = make(map[string]string)
		}
		e.forgetOld(ctx, now)
	}
	noted := make(map[string]string)
	for _, m := range often {
		value, known := k.tags[m.tag()]
		if !known && !fresh {
			continue
		}
		m.began, _ = began(value)
		m.counted = true
		if m.crashes = 0; m.began > 0 {
			// Another task may have caused the first crash: from then on it runs alone.
			m.crashes = (deliveries+1)/2 + m.began - 1
		}
		noted[m.tag()] = fmt.Sprintf("%d@%d", m.began+1, now.Unix())
	}
	if err := e.tag(ctx, noted); err != nil {
		for _, m := range often {
			m.counted = false
		}
	}
}

// said notes that messages got an outcome or were not handed out. Those that are gone
// need no tag.
func (e *engine) said(ctx context.Context, ms []*message, errs []error, gone bool) {
	var over []string
	noted := make(map[string]string)
	now := e.p.clock.Now().Unix()
	for i, m := range ms {
		switch {
		case m == nil || errs[i] != nil || !m.counted:
			continue
		case gone || m.began == 0:
			over = append(over, m.tag())
		default:
			noted[m.tag()] = fmt.Sprintf("%d@%d", m.began, now)
		}
		m.counted = false
	}
	if len(over)+len(noted) == 0 {
		return
	}
	e.linger(ctx, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, tagTime)
		defer cancel()
		e.killers.mu.Lock()
		defer e.killers.mu.Unlock()
		_ = e.tag(ctx, noted)
		e.untag(ctx, over)
	})
}

// tag and untag change the tags of the SQS queue and their copy here. killers.mu is
// held.
func (e *engine) tag(ctx context.Context, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	_, err := e.p.api.TagQueue(ctx, &awssqs.TagQueueInput{QueueUrl: &e.lanes[0].url, Tags: tags})
	if err != nil {
		e.tellKillers(err)
		return err
	}
	for key, value := range tags {
		e.killers.tags[key] = value
	}
	return nil
}

func (e *engine) untag(ctx context.Context, keys []string) {
	if len(keys) == 0 {
		return
	}
	_, err := e.p.api.UntagQueue(ctx, &awssqs.UntagQueueInput{QueueUrl: &e.lanes[0].url, TagKeys: keys})
	if err != nil {
		e.tellKillers(err)
		return
	}
	for _, key := range keys {
		delete(e.killers.tags, key)
	}
}

// forgetOld removes the tags of messages that SQS no longer keeps.
func (e *engine) forgetOld(ctx context.Context, now time.Time) {
	var old []string
	for key, value := range e.killers.tags {
		if _, at := began(value); strings.HasPrefix(key, tagBegan) && now.Sub(at) > maxRetention {
			old = append(old, key)
		}
	}
	e.untag(ctx, old)
}

// tellKillers logs once which permission is missing. killers.mu is held.
func (e *engine) tellKillers(err error) {
	if !e.killers.told {
		e.killers.told = true
		slog.Warn("sqs: cannot count the runs of a task that kills its process (sqs:ListQueueTags, sqs:TagQueue, sqs:UntagQueue): only the redrive policy stops it", slog.String("queue", e.name), slog.Any("error", err))
	}
}

func (m *message) tag() string { return tagBegan + token(m.id) }

func began(value string) (n int, at time.Time) {
	count, seconds, _ := strings.Cut(value, "@")
	return int(number(count)), time.Unix(number(seconds), 0)
}
