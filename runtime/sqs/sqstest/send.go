package sqstest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

func (s *Server) send(r *sendRequest) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	if err := q.checkOrder(&r.sendEntry); err != nil {
		return nil, err
	}
	answer, err := s.sendOne(q, &r.sendEntry)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// sendBatch refuses the whole batch for what AWS refuses it for, and single
// entries for the rest.
func (s *Server) sendBatch(r *batchRequest[sendEntry], fault Fault) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	total := 0
	for i := range r.Entries {
		total += sizeOf(r.Entries[i].MessageBody, r.Entries[i].MessageAttributes)
	}
	if total > maxBytes {
		return nil, simple("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBytes, total)
	}
	for i := range r.Entries {
		if err := q.checkOrder(&r.Entries[i]); err != nil {
			if err.Type == "MissingRequiredParameterException" { // which a batch calls otherwise
				err = invalidParameter("%s", err.Message)
			}
			return nil, err
		}
	}
	return eachEntry(r.Entries, fault, func(e *sendEntry) (sendAnswer, *Error) {
		answer, err := s.sendOne(q, e)
		answer.ID = e.ID
		return answer, err
	})
}

// checkOrder checks the ids that a FIFO queue orders and deduplicates by.
func (q *queue) checkOrder(e *sendEntry) *Error {
	for name, id := range map[string]*string{"MessageGroupId": e.MessageGroupID, "MessageDeduplicationId": e.MessageDeduplicationID} {
		if id != nil && !validID(*id) {
			return outOfRange(name, *id, name+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
		}
	}
	switch {
	case !q.fifo && e.MessageDeduplicationID != nil:
		return outOfRange("MessageDeduplicationId", *e.MessageDeduplicationID, "The request include parameter that is not valid for this queue type.")
	case q.fifo && e.MessageGroupID == nil:
		return missingParameter("MessageGroupId")
	case q.fifo && e.MessageDeduplicationID == nil && !q.settings.contentDedup:
		return invalidParameter("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return nil
}

// validID is what group ids, deduplication ids and attempt ids are made of.
func validID(id string) bool {
	return id != "" && len(id) <= 128 && onlyWith(id, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
}

func (s *Server) sendOne(q *queue, e *sendEntry) (sendAnswer, *Error) {
	trace, err := q.checkMessage(e)
	if err != nil {
		return sendAnswer{}, err
	}
	now := s.clock.Now()
	q.advance(now)
	m := &message{
		id: s.newID(), body: e.MessageBody, bodyMD5: md5Of(e.MessageBody), attributes: e.MessageAttributes, trace: trace,
		sent: now, visibleAt: now.Add(q.settings.delay),
	}
	if e.DelaySeconds != nil && !q.fifo {
		m.visibleAt = now.Add(time.Duration(*e.DelaySeconds) * time.Second)
	}
	if e.MessageGroupID != nil {
		m.group = *e.MessageGroupID
	}
	answer := sendAnswer{MD5OfMessageBody: m.bodyMD5, MD5OfMessageAttributes: md5OfAttributes(m.attributes)}
	if trace != nil {
		answer.MD5OfMessageSystemAttributes = md5OfAttributes(map[string]attributeValue{"AWSTraceHeader": *trace})
	}
	if q.fifo {
		if once, ok := q.number(m, e, now); ok {
			answer.MessageID, answer.SequenceNumber = once.id, once.sequence
			return answer, nil
		}
	}
	q.add(m, now)
	s.touch(q)
	answer.MessageID, answer.SequenceNumber = m.id, m.sequence
	return answer, nil
}

// number gives m its deduplication id and its place in the sequence, unless the
// same was sent within five minutes: then it returns that.
func (q *queue) number(m *message, e *sendEntry, now time.Time) (sentOnce, bool) {
	if e.MessageDeduplicationID != nil {
		m.dedup = *e.MessageDeduplicationID
	} else {
		sum := sha256.Sum256([]byte(m.body))
		m.dedup = hex.EncodeToString(sum[:])
	}
	key := m.dedup
	if q.settings.scopeByGroup {
		key = m.group + " " + m.dedup // neither holds a space
	}
	if once, ok := q.recent.find(key, now); ok {
		return once, true
	}
	m.sequence = q.nextSequence()
	q.recent.remember(key, sentOnce{id: m.id, sequence: m.sequence, at: now})
	return sentOnce{}, false
}

// firstSequence is about where the sequence numbers of AWS are: 20 digits.
const firstSequence = 17_870_000_000_000_000_000

func (q *queue) nextSequence() string {
	q.sequence++
	return fmt.Sprintf("%020d", firstSequence+q.sequence)
}

// checkMessage checks what concerns one message alone, and returns its trace
// header.
func (q *queue) checkMessage(e *sendEntry) (*attributeValue, *Error) {
	switch d := e.DelaySeconds; {
	case d != nil && (*d < 0 || *d > maxDelay):
		return nil, outOfRange("DelaySeconds", *d, "DelaySeconds must be >= 0 and <= 900.")
	case d != nil && *d != 0 && q.fifo:
		return nil, outOfRange("DelaySeconds", *d, "The request include parameter that is not valid for this queue type.")
	case e.MessageBody == "":
		return nil, missingParameter("MessageBody")
	case !validText(e.MessageBody):
		return nil, badContents()
	}
	if err := checkAttributes(e.MessageAttributes); err != nil {
		return nil, err
	}
	if n := sizeOf(e.MessageBody, e.MessageAttributes); n > q.settings.maxSize {
		return nil, invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.settings.maxSize)
	}
	return checkSystemAttributes(e.MessageSystemAttributes)
}

// checkBatch checks what every batch is refused for as a whole.
func checkBatch(ids []string) *Error {
	if len(ids) == 0 {
		return simple("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(ids) > maxBatch {
		return simple("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(ids))
	}
	seen := make(map[string]bool)
	for _, id := range ids {
		if id == "" || len(id) > 80 || !onlyWith(id, "-_") {
			return simple("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return simple("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}

// entry is what the entries of all batches have.
type entry interface{ id() string }

func (e *sendEntry) id() string   { return e.ID }
func (e *handleEntry) id() string { return e.ID }

// eachEntry acts on every entry of a batch, but for those that fault fails.
func eachEntry[E any, P interface {
	*E
	entry
}, A any](entries []E, fault Fault, act func(P) (A, *Error)) (any, *Error) {
	answer := batchAnswer[A]{Successful: []A{}, Failed: []failedEntry{}}
	for i := range entries {
		e := P(&entries[i])
		var result A
		err := fault.Entries[i]
		if err == nil {
			result, err = act(e)
		}
		if err != nil {
			answer.Failed = append(answer.Failed, failedEntry{ID: e.id(), Code: entryCode(err), Message: err.Message, SenderFault: err.senderFault()})
		} else {
			answer.Successful = append(answer.Successful, result)
		}
	}
	return answer, nil
}

// entryCode is how an error is called in a batch: its code, without the name of
// the service that some carry in front.
func entryCode(e *Error) string { return strings.TrimPrefix(e.code(), "AWS.SimpleQueueService.") }
