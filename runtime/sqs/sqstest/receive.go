package sqstest

import (
	"container/list"
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A poll is one ReceiveMessage call, for as long as it waits.
type poll struct {
	q          *queue
	max        int
	visibility time.Duration
	request    *receiveRequest
	done       chan pollResult // takes one
	place      *list.Element   // in queue.polls; nil when it does not wait
	timer      driver.Timer
}

type pollResult struct {
	answer receiveAnswer
	err    *Error
}

// An attempt is what a ReceiveMessage with a ReceiveRequestAttemptId got.
type attempt struct {
	at       time.Time
	messages []*message
	handles  []int
}

func (s *Server) receive(ctx context.Context, r *receiveRequest, misses bool) (any, *Error) {
	p, wait, err := s.startPoll(r, misses)
	if err != nil {
		return nil, err
	}
	select {
	case result := <-p.done:
		return result.answer, result.err
	default:
	}
	if wait == 0 {
		return receiveAnswer{}, nil
	}
	var longest <-chan time.Time
	if s.LongestPoll > 0 {
		t := time.NewTimer(s.LongestPoll)
		defer t.Stop()
		longest = t.C
	}
	select {
	case result := <-p.done:
		return result.answer, result.err
	case <-longest:
		s.endPoll(p)
		result := <-p.done // which has messages when they came just before
		return result.answer, result.err
	case <-ctx.Done():
		s.endPoll(p)
		return receiveAnswer{}, nil
	}
}

// startPoll takes what there is, or lets the call wait where it may. One that does
// not wait finds nothing where it misses.
func (s *Server) startPoll(r *receiveRequest, misses bool) (*poll, time.Duration, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(r.URL)
	if err != nil {
		return nil, 0, err
	}
	p := &poll{q: q, max: 1, visibility: q.settings.visibility, request: r, done: make(chan pollResult, 1)}
	wait, err := p.parameters()
	if err != nil {
		return nil, 0, err
	}
	if misses && wait == 0 {
		return p, 0, nil
	}
	if q.fifo && r.ReceiveRequestAttemptID != "" {
		if taken := q.again(p, s.clock.Now()); taken != nil {
			p.done <- pollResult{answer: p.answer(taken)}
			return p, wait, nil
		}
	}
	if !q.fifo && wait == 0 && q.inFlight >= s.InFlightLimit {
		return nil, 0, &Error{Type: "OverLimit", Status: 403, Message: "The maximum number of in flight messages is reached."}
	}
	if s.deaf {
		wait = 0
	}
	if s.serve(p) || wait == 0 {
		s.flush()
		return p, wait, nil
	}
	p.place = q.polls.PushBack(p)
	p.timer = s.clock.AfterFunc(wait, func() { s.endPoll(p) })
	s.touch(q)
	s.flush()
	return p, wait, nil
}

// parameters checks the call, fills in what it says of p, and returns how long
// it may wait.
func (p *poll) parameters() (time.Duration, *Error) {
	r, wait := p.request, p.q.settings.wait
	if n := r.MaxNumberOfMessages; n != nil {
		if *n < 1 || *n > maxBatch {
			return 0, outOfRange("MaxNumberOfMessages", *n, "Must be between 1 and 10, if provided.")
		}
		p.max = *n
	}
	if n := r.WaitTimeSeconds; n != nil {
		if *n < 0 || *n > maxWait {
			return 0, outOfRange("WaitTimeSeconds", *n, "Must be >= 0 and <= 20, if provided.")
		}
		wait = time.Duration(*n) * time.Second
	}
	if n := r.VisibilityTimeout; n != nil {
		if *n < 0 || *n > maxVisibility {
			return 0, outOfRange("VisibilityTimeout", *n, "Must be between 0 and 43200, if provided.")
		}
		p.visibility = time.Duration(*n) * time.Second
	}
	if id := r.ReceiveRequestAttemptID; id != "" && !validID(id) {
		return 0, outOfRange("ReceiveRequestAttemptId", id, "It can be 1 to 128 characters of a-z, A-Z, 0-9 and punctuation.")
	}
	return wait, nil
}

// endPoll ends the wait of p without a message.
func (s *Server) endPoll(p *poll) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.place != nil {
		s.finish(p, pollResult{})
	}
}

func (s *Server) finish(p *poll, result pollResult) {
	if p.place != nil {
		p.q.polls.Remove(p.place)
		p.place = nil
		p.timer.Stop()
	}
	p.done <- result
}

// serve gives p what its queue has for it and reports whether there was
// anything.
func (s *Server) serve(p *poll) bool {
	q, now := p.q, s.clock.Now()
	q.advance(now)
	room := min(p.max, s.InFlightLimit-q.inFlight)
	taken := s.take(q, room, now)
	if len(taken) == 0 {
		return false
	}
	for _, m := range taken {
		s.handles++
		m.handle = s.handles
		m.receives++
		m.receivesHere++
		m.received = now
		if m.firstReceived.IsZero() {
			m.firstReceived = now
		}
		if !s.stays(q) {
			q.hide(m, inFlight, now.Add(p.visibility))
		}
	}
	if id := p.request.ReceiveRequestAttemptID; id != "" && q.fifo {
		q.keepAttempt(id, taken, now)
	}
	s.touch(q)
	s.finish(p, pollResult{answer: p.answer(taken)})
	return true
}

// stays reports whether a message that is delivered from q stays visible, so that it is
// delivered twice.
func (s *Server) stays(q *queue) bool {
	if q.fifo || s.DeliverTwice <= 0 {
		return false
	}
	s.given++
	return s.given%s.DeliverTwice == 0
}

// inNoOrder is among how many messages a receive chooses, for each that it may bring.
const inNoOrder = 3

// take finds at most n messages to hand out, and dead letters on its way those
// that were received too often. What it returns must be hidden at once.
func (s *Server) take(q *queue, n int, now time.Time) []*message {
	var taken []*message
	if !q.fifo {
		most := n
		if s.Shuffle {
			most *= inNoOrder
		}
		for e := q.ready.Front(); e != nil && len(taken) < most; {
			m := e.Value.(*message)
			e = e.Next()
			if !s.bury(q, m, now) {
				taken = append(taken, m)
			}
		}
		if s.Shuffle {
			rand.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
		}
		return taken[:max(0, min(n, len(taken)))]
	}
	for e := q.open.Front(); e != nil && len(taken) < n; {
		g := e.Value.(*group)
		e = e.Next()
		for at := g.messages.Front(); at != nil && len(taken) < n; {
			m := at.Value.(*message)
			at = at.Next()
			if m.state != ready {
				break
			}
			if !s.bury(q, m, now) {
				taken = append(taken, m)
			}
		}
	}
	return taken
}

func (q *queue) keepAttempt(id string, taken []*message, now time.Time) {
	for id, old := range q.attempts {
		if now.Sub(old.at) >= dedupInterval {
			delete(q.attempts, id)
		}
	}
	a := &attempt{at: now, messages: slices.Clone(taken)}
	for _, m := range taken {
		a.handles = append(a.handles, m.handle)
	}
	q.attempts[id] = a
}

// again returns the messages that an earlier receive with the same attempt id
// got, with their visibility begun anew: nil when there was none within five
// minutes, or when one of them has been deleted, received again or has become
// visible since.
func (q *queue) again(p *poll, now time.Time) []*message {
	q.advance(now)
	a := q.attempts[p.request.ReceiveRequestAttemptID]
	if a == nil || now.Sub(a.at) >= dedupInterval {
		return nil
	}
	for i, m := range a.messages {
		if q.messages[m.id] != m || m.handle != a.handles[i] || m.state != inFlight {
			return nil
		}
	}
	for _, m := range a.messages {
		m.received = now
		q.hide(m, inFlight, now.Add(p.visibility))
	}
	return a.messages
}

// answer renders messages as the call asked for them.
func (p *poll) answer(taken []*message) receiveAnswer {
	r := p.request
	names := append(slices.Clone(r.AttributeNames), r.MessageSystemAttributeNames...)
	var a receiveAnswer
	for _, m := range taken {
		chosen := choose(m.attributes, r.MessageAttributeNames)
		a.Messages = append(a.Messages, receivedMessage{
			MessageID: m.id, ReceiptHandle: p.q.receiptHandle(m), Body: m.body, MD5OfBody: m.bodyMD5,
			Attributes:        systemAttributes(m, names),
			MessageAttributes: chosen, MD5OfMessageAttributes: md5OfAttributes(chosen),
		})
	}
	return a
}

func systemAttributes(m *message, names []string) map[string]string {
	stamp := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	all := map[string]string{
		"SenderId":                         senderID,
		"SentTimestamp":                    stamp(m.sent),
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"ApproximateFirstReceiveTimestamp": stamp(m.firstReceived),
		"MessageGroupId":                   m.group,
		"MessageDeduplicationId":           m.dedup,
		"SequenceNumber":                   m.sequence,
		"DeadLetterQueueSourceArn":         m.source,
	}
	if m.trace != nil {
		all["AWSTraceHeader"] = *m.trace.StringValue
	}
	for name, value := range all {
		if value == "" || !slices.Contains(names, name) && !slices.Contains(names, "All") {
			delete(all, name)
		}
	}
	return all
}

// choose returns the attributes that names ask for: by name, by a beginning
// with ".*" after it, or all with "All" or ".*".
func choose(attributes map[string]attributeValue, names []string) map[string]attributeValue {
	chosen := make(map[string]attributeValue)
	for name, value := range attributes {
		for _, want := range names {
			beginning, some := strings.CutSuffix(want, ".*")
			if want == "All" || want == name || some && strings.HasPrefix(name, beginning) {
				chosen[name] = value
			}
		}
	}
	return chosen
}
