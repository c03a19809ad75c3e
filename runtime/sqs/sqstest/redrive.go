package sqstest

import (
	"slices"
	"time"
)

// bury moves m to the dead letter queue of q when it was received as often as q
// allows, and reports whether it did. A dead letter queue that is gone leaves
// the message where it is.
func (s *Server) bury(q *queue, m *message, now time.Time) bool {
	policy := q.settings.redrive
	if policy == nil || m.receivesHere < policy.max() {
		return false
	}
	dead := s.byARN(policy.Target)
	if dead == nil || dead == q {
		return false
	}
	q.remove(m)
	s.touch(q)
	m.source, m.visibleAt = q.arn(), now
	if dead.fifo {
		m.dedup, m.sequence, m.sent = m.id, dead.nextSequence(), now
	}
	dead.advance(now)
	dead.add(m, now)
	s.touch(dead)
	return true
}

// checkRedrive checks the redrive policy of the queue called source against the
// queue that it names.
func (s *Server) checkRedrive(source string, fifo bool, policy *redrivePolicy, value string) *Error {
	bad := func(reason string) *Error { return outOfRange("RedrivePolicy", value, reason) }
	dead := s.byARN(policy.Target)
	switch {
	case dead == nil:
		return bad("Dead letter target does not exist.")
	case dead.fifo != fifo:
		return bad("Dead-letter queue must be same type of queue as the source.")
	}
	if allow := dead.settings.allow; allow != nil {
		if allow.Permission == "denyAll" || allow.Permission == "byQueue" && !slices.Contains(allow.Sources, arn(source)) {
			return bad("Queue " + source + " is not allowed to use this dead-letter queue by its RedriveAllowPolicy.")
		}
	}
	return nil
}

// sourcesOf lists the queues whose dead letter queue is dead.
func (s *Server) sourcesOf(dead *queue) []*queue {
	var sources []*queue
	for _, name := range s.names() {
		if policy := s.queues[name].settings.redrive; policy != nil && policy.Target == dead.arn() {
			sources = append(sources, s.queues[name])
		}
	}
	return sources
}
