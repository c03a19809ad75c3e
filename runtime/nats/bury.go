package nats

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Headers of a dead message that is kept as it was.
const (
	headerReason = "Taskgen-Reason"  // why it died
	headerDied   = "Taskgen-Died"    // when, RFC 3339
	headerOrigin = "Taskgen-Died-On" // the queue
	headerCut    = "Taskgen-Cut"     // how many bytes it had, if its end is cut off
)

// reasonLimits bound the reason, in bytes. They are tried one after the other.
var reasonLimits = []int{1 << 10, 128, 0}

// buryWait is how long messages that are no tasks may be on their way to the dead letter
// queue, and detachedWait how long a Dequeue waits for that.
const (
	buryWait     = 30 * time.Second
	detachedWait = 2 * shortWait
)

// runDetached runs f to its end even if ctx ends: on a slow link f takes longer than any
// fetch. A fetch waits for it only for a moment.
func (q *queue) runDetached(ctx context.Context, f func(ctx context.Context)) {
	if q.p.beginCall() != nil {
		return // closed: the leases bring the messages back
	}
	over := make(chan struct{})
	go func() {
		defer q.p.calls.Done()
		defer close(over)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), buryWait)
		defer cancel()
		f(ctx)
	}()
	t := time.NewTimer(detachedWait)
	defer t.Stop()
	select {
	case <-over:
	case <-t.C:
	case <-ctx.Done():
	}
}

// buryUndecodable moves messages that cannot be decoded to the dead letter queue. If that
// fails, the message stays, and its lease brings it back.
func (q *queue) buryUndecodable(ctx context.Context, ls []*lease, causes []error) {
	tasks := make([]*driver.Task, len(ls))
	for i, l := range ls {
		tasks[i] = driver.Undecodable(subjectID(l.tail), q.name, l.data, l.stored, causes[i])
		l.id, l.raw = tasks[i].ID, true
	}
	q.runDetached(ctx, func(ctx context.Context) {
		for i, err := range q.moveToDLQ(ctx, ls, tasks) {
			if err != nil {
				q.p.logger().Warn("nats: cannot bury a message that is not a task, will try again when its lease has ended", "queue", q.name, "subject", ls[i].subject, "bytes", len(ls[i].data), "error", err)
				continue
			}
			driver.Buried(ctx, tasks[i])
		}
	})
}

// decodeDead reads a message on a dead letter queue: as a task, or as the one that
// represents it, with the content of its headers. err is why it cannot be decoded.
func decodeDead(tail, queue string, data []byte, header nats.Header, at time.Time) (task *driver.Task, err error) {
	if task, err = driver.DecodeEnvelope(data); err != nil {
		task = driver.Undecodable(subjectID(tail), queue, data, at, err)
	}
	for key, name := range map[string]string{headerReason: driver.MetaFailureReason, headerDied: driver.MetaFailedAt, headerOrigin: driver.MetaOriginalQueue} {
		if value := header.Get(key); value != "" {
			if task.Metadata == nil {
				task.Metadata = make(map[string]string, 4)
			}
			task.Metadata[name] = value
		}
	}
	if size := header.Get(headerCut); size != "" {
		task.Metadata[driver.MetaFailureReason] += " (cut: the message had " + size + " bytes)"
	}
	return task, err
}

// deadLetterRequest is a request that stores a dead task or message. A task is written
// with the reason and its history, as much of that as the server accepts. A message that
// is no task, or has no room for any of that, is stored as it was, with the reason in
// headers. If it is as large as the server accepts, its end is cut off.
func (s *queueState) deadLetterRequest(l *lease, task *driver.Task) *request {
	header := copied(l.headers) // its redriven original may still be among the dead
	delete(header, headerCrashes)
	delete(header, headerReplaces)
	header[headerMsgID] = []string{s.originID(l.seq, l.stored)}
	r := publish(s.deadSubject(l), nil, guard{}, header)
	if !l.raw && s.fit(r, task) {
		return r
	}
	meta := task.Metadata
	header[headerDied], header[headerOrigin] = []string{meta[driver.MetaFailedAt]}, []string{meta[driver.MetaOriginalQueue]}
	for _, n := range reasonLimits {
		if n > 0 {
			header[headerReason] = []string{clip(meta[driver.MetaFailureReason], n)}
		} else { // the message is worth more than its description
			delete(header, headerReason)
			delete(header, headerDied)
			delete(header, headerOrigin)
		}
		if r.data = l.data; r.size() <= s.maxMessage() {
			return r
		}
	}
	header[headerReason] = []string{clip(meta[driver.MetaFailureReason], reasonLimits[0])}
	header[headerDied], header[headerOrigin] = []string{meta[driver.MetaFailedAt]}, []string{meta[driver.MetaOriginalQueue]}
	header[headerCut] = []string{strconv.Itoa(len(l.data))}
	r.data = nil
	r.data = l.data[:max(min(len(l.data), s.maxMessage()-r.size()), 0)]
	return r
}

// maxMessage is the largest message that the server accepts, headers included.
func (s *queueState) maxMessage() int { return int(s.requester.nc.MaxPayload()) }

// size is the size of a request as a message.
func (r *request) size() int {
	n := len(r.data)
	h := newHeaders().of(r)
	if len(h) > 0 {
		n += len("NATS/1.0\r\n\r\n")
	}
	for key, values := range h {
		for _, v := range values {
			n += len(key) + len(v) + len(": \r\n")
		}
	}
	return n
}

// fit makes the data of a request the envelope of a task, if necessary without the
// history of its failures, and reports whether the server accepts it.
func (s *queueState) fit(r *request, task *driver.Task) bool {
	if r.data = driver.AppendEnvelope(nil, task); len(r.data)+headroom/2 <= s.maxMessage() || r.size() <= s.maxMessage() {
		return true
	}
	bare := *task
	bare.Metadata = maps.Clone(task.Metadata)
	maps.DeleteFunc(bare.Metadata, func(key, _ string) bool { return isHistory(key) })
	if r.data = driver.AppendEnvelope(nil, &bare); r.size() <= s.maxMessage() {
		return true
	}
	if reason, ok := bare.Metadata[driver.MetaFailureReason]; ok {
		bare.Metadata[driver.MetaFailureReason] = clip(reason, 128)
	}
	r.data = driver.AppendEnvelope(nil, &bare)
	return r.size() <= s.maxMessage()
}

func isHistory(key string) bool {
	for _, prefix := range [...]string{driver.MetaAttemptPrefix, driver.MetaStackPrefix} {
		if number, ok := strings.CutPrefix(key, prefix); ok {
			n, err := strconv.Atoi(number)
			return err == nil && n > 0
		}
	}
	return false
}

// clip makes a text one line of at most n bytes that a header can hold.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > n {
		s = s[:n-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

// hasNoCopy reports whether a message could not be written again: the stream has no
// room, or with our headers it is larger than the server accepts.
func hasNoCopy(err error) bool { return isFull(err) || errors.Is(err, nats.ErrMaxPayload) }

// tooLarge turns the client's error into the contract's.
func tooLarge(err error) error {
	if errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("%w: with its headers the task is more than the server's max_payload: store the data elsewhere and send a reference, or raise max_payload: %w", driver.ErrPayloadTooLarge, err)
	}
	return err
}

// buryOversized moves a message to the dead letter queue that is too large to be moved to
// where workers look. It reports whether the message is gone.
func (s *queueState) buryOversized(ctx context.Context, l *lease) bool {
	if s.deadQueue() == nil {
		return false
	}
	cause := fmt.Errorf("%w: it cannot be moved from %s: with headers it is more than the server takes", driver.ErrPayloadTooLarge, l.subject)
	task, err := driver.DecodeEnvelope(l.data)
	if err != nil {
		task = driver.Undecodable(subjectID(l.tail), s.name, l.data, l.stored, err)
	}
	driver.RecordDeath(task, s.name, time.Now(), cause)
	l.raw, l.until = true, time.Now().Add(answerWait)
	r := s.deadLetterRequest(l, task)
	if err = s.requester.roundTrip(ctx, []*request{r}, nil); err == nil {
		_, err = r.ack()
	}
	if err == nil {
		err = s.remove(ctx, []*lease{l})[0]
	}
	if err != nil {
		s.p.logger().Warn("nats: cannot bury a task that is too large to be moved, will try again", "queue", s.name, "subject", l.subject, "bytes", len(l.data), "error", err)
		return false
	}
	s.p.logger().Error("nats: buried a task that is too large to be moved", "task", task.ID, "queue", s.name, "bytes", len(l.data))
	driver.Buried(ctx, task)
	return true
}

// unheldLease is a placeholderLease with the content of the message, which no worker has.
func (s *queueState) unheldLease(m *stored) *lease {
	l := s.placeholderLease(m, "")
	l.data, l.headers, l.stored = m.data, m.header, m.at
	return l
}
