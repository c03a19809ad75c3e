package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The stream accepts everything published below taskgen.<queue>., from any program, and
// acknowledges it. A message that matches no consumer's pattern would never be seen
// again. So workers look for such messages: an envelope is enqueued as by Enqueue,
// anything else is buried as it is.

// A misaddressedMsg is a message on a subject that is not a task's.
type misaddressedMsg struct {
	*stored
	ack string // where the server waits for the outcome, if it was delivered
}

// handleMisaddressed looks for messages that no consumer serves. If every message is
// counted, it takes 1 request for each consumer and 1 for the stream, at most every 30
// seconds.
func (q *queue) handleMisaddressed(ctx context.Context) error {
	if !q.housekeeping.TryLock() {
		return nil
	}
	due := q.misaddressedDueLocked(time.Now())
	if due {
		q.lastMisaddressedSearch = time.Now()
	}
	q.housekeeping.Unlock()
	if !due {
		return nil
	}
	_, missing, err := q.missing(ctx)
	if err != nil || missing <= 0 {
		return err
	}
	subjects := make(map[string]int)
	for offset, more := 0, true; more; {
		var a struct {
			State struct {
				Subjects map[string]int `json:"subjects"`
			} `json:"state"`
			Total int `json:"total"`
		}
		ask := map[string]any{"subjects_filter": q.root + ">", "offset": offset}
		if err := q.requester.callAPI(ctx, "STREAM.INFO."+q.names.stream, ask, &a); err != nil {
			return err
		}
		for subject, n := range a.State.Subjects {
			if !q.owns(subject) {
				subjects[subject] = n
			}
		}
		offset += len(a.State.Subjects)
		more = len(a.State.Subjects) > 0 && offset < a.Total
	}
	if len(subjects) == 0 {
		return nil
	}
	// A process that declares more, a level or an origin of dead letters, makes the
	// consumer first: every subject seen has its consumer by now.
	if err := q.refresh(ctx); err != nil {
		return err
	}
	patterns, _, err := q.missing(ctx)
	if err != nil {
		return err
	}
	for subject, n := range subjects {
		if isServed(subject, patterns) {
			continue
		}
		for range n {
			get := q.requester.next(q.names.stream, subject, 1)
			if err := q.requester.roundTrip(ctx, []*request{get}, nil); err != nil {
				return err
			}
			m, err := get.message()
			if err != nil || m == nil || !q.enqueueOrBury(ctx, misaddressedMsg{stored: m}) {
				break // another time
			}
		}
	}
	return nil
}

// missing returns how many messages of the stream no consumer counts, and the patterns
// that consumers count. It asks the stream first; a message that moves between two
// consumers is with one of them soon.
func (s *queueState) missing(ctx context.Context) (patterns []string, missing int64, err error) {
	s.mu.Lock()
	all := s.counted
	s.mu.Unlock()
	for range 3 {
		st, err := s.state(ctx)
		if err != nil {
			return nil, 0, err
		}
		states, err := s.requester.infos(ctx, s.names.stream, all...)
		if err != nil {
			return nil, 0, err
		}
		patterns, missing = nil, int64(st.Msgs)
		for _, c := range states {
			missing -= int64(c.Pending) + c.AckPending
			patterns = append(patterns, c.Config.Filters...)
			if c.Config.Filter != "" {
				patterns = append(patterns, c.Config.Filter)
			}
		}
		if missing <= 0 {
			break
		}
	}
	return patterns, missing, nil
}

// isServed reports whether some consumer has a pattern for a subject: each is one of
// our places with a > at its end.
func isServed(subject string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(subject, strings.TrimSuffix(p, ">")) })
}

// owns reports whether a subject is one of this queue's own, even if its consumer was
// deleted.
func (s *queueState) owns(subject string) bool {
	place, _, ok := s.split(subject)
	if !ok {
		return false
	}
	switch place {
	case placeKey, placeAnchor:
		return true
	case placeHead, placeWaiting, placeTomb, placeFollowers, placeJoining, placeDelayed:
		if s.kind == driver.FIFO {
			return true
		}
	}
	partition, ready := strings.CutPrefix(place, placeReady)
	if !ready {
		if partition, ok = strings.CutPrefix(place, placeScheduled); !ok {
			return false
		}
	}
	if s.isDLQ() && strings.HasPrefix(partition, "from-") {
		return true
	}
	n, err := strconv.Atoi(partition)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && s.kind != driver.FIFO && strconv.Itoa(n) == partition && n >= 0 && n < s.levels
}

// enqueueOrBuryAll is enqueueOrBury for delivered messages. If it fails, the lease brings
// a message back.
func (q *queue) enqueueOrBuryAll(ctx context.Context, misaddressed []misaddressedMsg) {
	if len(misaddressed) == 0 {
		return
	}
	q.runDetached(ctx, func(ctx context.Context) {
		for _, f := range misaddressed {
			q.enqueueOrBury(ctx, f)
		}
	})
}

// enqueueOrBury enqueues an envelope, or buries any other message. It reports whether the
// message is gone.
func (q *queue) enqueueOrBury(ctx context.Context, f misaddressedMsg) bool {
	task, err := driver.DecodeEnvelope(f.data)
	if err == nil {
		failed := make(map[int]error)
		es := q.encode([]*driver.Task{task}, failed)
		answers := make([]driver.Enqueued, 1)
		for _, e := range es {
			e.recoveredFrom = f.seq
		}
		q.insert(ctx, es, answers, failed)
		switch err = failed[0]; {
		case err == nil || isDuplicate(err):
			q.p.logger().Warn("nats: enqueued a task that was published to a subject that is not for tasks", "task", task.ID, "subject", f.subject, "duplicate", answers[0].Duplicate || err != nil)
			return q.removeMisaddressed(ctx, f)
		case !errors.Is(err, driver.ErrInvalidTask) && !errors.Is(err, driver.ErrPayloadTooLarge) && !errors.Is(err, driver.ErrUnsupported):
			q.p.logger().Warn("nats: cannot enqueue a task that was published to a subject that is not for tasks, will try again", "task", task.ID, "subject", f.subject, "error", err)
			return false
		}
	}
	cause := fmt.Errorf("it was published to %s, which is not a subject for tasks: %w", f.subject, err)
	l := &lease{subject: f.subject, tail: tail(none, none, "stray-"+strconv.FormatUint(f.seq, 10)), seq: f.seq, stored: f.at, data: f.data, raw: true}
	task = driver.Undecodable(subjectID(l.tail), q.name, f.data, f.at, cause)
	r := publish(q.at(placeReady+defaultPartition, l.tail), f.data, guard{}, nil) // on a dead letter queue
	if !q.isDLQ() {
		r = q.deadLetterRequest(l, task)
	}
	if err = q.requester.roundTrip(ctx, []*request{r}, nil); err == nil {
		_, err = r.ack()
	}
	if err != nil {
		q.p.logger().Warn("nats: cannot bury a message that is not a task, will try again", "subject", f.subject, "error", err)
		return false
	}
	if !q.isDLQ() {
		driver.Buried(ctx, task)
	}
	return q.removeMisaddressed(ctx, f)
}

// removeMisaddressed removes such a message from the stream.
func (q *queue) removeMisaddressed(ctx context.Context, f misaddressedMsg) bool {
	l := &lease{seq: f.seq, ack: f.ack, until: time.Now().Add(answerWait)}
	return q.remove(ctx, []*lease{l})[0] == nil
}
