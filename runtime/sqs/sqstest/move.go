package sqstest

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// A move is one message move task.
type move struct {
	id      string
	from    *queue
	to      string // the ARN of the destination; "" for the queues of origin
	rate    int    // messages in a second; 0: all at once
	status  string
	reason  string
	started time.Time
	moved   int
	toMove  int
}

// keptMoves is how many tasks of a source SQS lists.
const keptMoves = 10

func (s *Server) startMove(r *startMoveRequest) (any, *Error) {
	from := s.byARN(r.SourceArn)
	switch {
	case r.SourceArn == "":
		return nil, missingParameter("SourceArn")
	case from == nil:
		return nil, noSuchResource("SourceArn")
	case len(s.sourcesOf(from)) == 0:
		return nil, invalidParameter("Source queue must be configured as a Dead Letter Queue.")
	case r.DestinationArn != "" && s.byARN(r.DestinationArn) == nil:
		return nil, noSuchResource("DestinationArn")
	case r.DestinationArn != "" && s.byARN(r.DestinationArn).fifo != from.fifo:
		return nil, invalidParameter("Source and destination queues must be of the same type.")
	case r.MaxNumberOfMessagesPerSecond != nil && (*r.MaxNumberOfMessagesPerSecond < 1 || *r.MaxNumberOfMessagesPerSecond > 500):
		return nil, outOfRange("MaxNumberOfMessagesPerSecond", *r.MaxNumberOfMessagesPerSecond, "Must be between 1 and 500, if provided.")
	}
	for _, old := range from.moves {
		if old.status == "RUNNING" {
			return nil, invalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		}
	}
	now := s.clock.Now()
	from.advance(now)
	m := &move{id: s.newID(), from: from, to: r.DestinationArn, status: "RUNNING", started: now, toMove: from.visible()}
	if r.MaxNumberOfMessagesPerSecond != nil {
		m.rate = *r.MaxNumberOfMessagesPerSecond
	}
	from.moves = append([]*move{m}, from.moves...)
	from.moves = from.moves[:min(len(from.moves), keptMoves)]
	s.clock.AfterFunc(0, func() { s.runMove(m) })
	return moveHandle{TaskHandle: m.handle()}, nil
}

// runMove moves what a task may move now, and comes back a second later when it
// is not done.
func (s *Server) runMove(m *move) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.status != "RUNNING" {
		return
	}
	now := s.clock.Now()
	m.from.advance(now)
	room := m.rate
	if room == 0 {
		room = m.toMove
	}
	for ; room > 0 && m.moved < m.toMove && m.status == "RUNNING"; room-- {
		s.moveOne(m, now)
	}
	if m.moved == m.toMove {
		m.status = "COMPLETED"
	}
	if m.status == "RUNNING" {
		s.clock.AfterFunc(time.Second, func() { s.runMove(m) })
	}
	s.touch(m.from)
	s.flush()
}

// moveOne moves the next message, as a new one: id, time of sending and count of
// receives begin again.
func (s *Server) moveOne(m *move, now time.Time) {
	taken := m.from.next()
	if taken == nil || m.from.deleted {
		m.status = "COMPLETED"
		return
	}
	target := m.to
	if target == "" {
		target = taken.source
	}
	to := s.byARN(target)
	if to == nil {
		m.status, m.reason = "FAILED", "AWS.SimpleQueueService.NonExistentQueue"
		if target == "" { // it was sent to the dead letter queue by a client
			m.reason = "CouldNotDetermineMessageSource"
		}
		return
	}
	m.from.remove(taken)
	taken.id, taken.sent, taken.source, taken.visibleAt = s.newID(), now, "", now
	taken.receives, taken.firstReceived = 0, time.Time{}
	if to.fifo {
		taken.sequence = to.nextSequence()
	}
	to.advance(now)
	to.add(taken, now)
	s.touch(to)
	m.moved++
}

// next is the message that a receive would get first, or nil.
func (q *queue) next() *message {
	if e := q.ready.Front(); e != nil {
		return e.Value.(*message)
	}
	if e := q.open.Front(); e != nil {
		return e.Value.(*group).messages.Front().Value.(*message)
	}
	return nil
}

func (m *move) handle() string {
	return base64.StdEncoding.EncodeToString([]byte(m.id + " " + m.from.arn()))
}

func (s *Server) cancelMove(r *moveHandle) (any, *Error) {
	raw, err := base64.StdEncoding.DecodeString(r.TaskHandle)
	id, source, ok := strings.Cut(string(raw), " ")
	if err != nil || !ok {
		return nil, invalidParameter("Value for parameter TaskHandle is invalid.")
	}
	q := s.byARN(source)
	if q == nil {
		return nil, noSuchResource("SourceArn")
	}
	at := slices.IndexFunc(q.moves, func(m *move) bool { return m.id == id && m.status == "RUNNING" })
	if at < 0 {
		return nil, &Error{Type: "ResourceNotFoundException", Status: 404, Message: "Task does not exist."}
	}
	q.moves[at].status = "CANCELLED"
	return cancelMoveAnswer{ApproximateNumberOfMessagesMoved: q.moves[at].moved}, nil
}

func (s *Server) listMoves(r *listMovesRequest) (any, *Error) {
	q := s.byARN(r.SourceArn)
	most := 1
	switch {
	case r.SourceArn == "":
		return nil, missingParameter("SourceArn")
	case q == nil:
		return nil, noSuchResource("SourceArn")
	case r.MaxResults != nil && (*r.MaxResults < 1 || *r.MaxResults > keptMoves):
		return nil, outOfRange("MaxResults", *r.MaxResults, "Must be between 1 and 10, if provided.")
	case r.MaxResults != nil:
		most = *r.MaxResults
	}
	var answer listMovesAnswer
	for _, m := range q.moves[:min(most, len(q.moves))] {
		result := moveResult{
			Status: m.status, SourceArn: r.SourceArn, DestinationArn: m.to, MaxNumberOfMessagesPerSecond: m.rate,
			ApproximateNumberOfMessagesMoved: m.moved, ApproximateNumberOfMessagesToMove: m.toMove,
			FailureReason: m.reason, StartedTimestamp: m.started.UnixMilli(),
		}
		if m.status == "RUNNING" {
			result.TaskHandle = m.handle()
		}
		answer.Results = append(answer.Results, result)
	}
	return answer, nil
}
