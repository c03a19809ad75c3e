package sqstest

import "time"

func (s *Server) delete(r *deleteRequest) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	return nil, s.deleteOne(q, &r.handleEntry)
}

func (s *Server) deleteBatch(r *batchRequest[handleEntry], fault Fault) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	return eachEntry(r.Entries, fault, func(e *handleEntry) (entryID, *Error) {
		return entryID{ID: e.ID}, s.deleteOne(q, e)
	})
}

// deleteOne deletes a message. What is gone already counts as deleted. A
// standard queue takes the handle of the last receive for as long as nobody has
// received the message again, and a replaced one without acting on it; a FIFO
// queue takes a handle only while the message is in flight under it.
func (s *Server) deleteOne(q *queue, e *handleEntry) *Error {
	q.advance(s.clock.Now())
	m, held, err := q.byHandle(e.ReceiptHandle)
	if err != nil || m == nil {
		return err
	}
	if q.fifo && (!held || m.state != inFlight) {
		return expired(e.ReceiptHandle)
	}
	if held {
		q.remove(m)
		s.touch(q)
	}
	return nil
}

func expired(handle string) *Error {
	return outOfRange("ReceiptHandle", handle, "The receipt handle has expired.")
}

func (s *Server) changeVisibility(r *visibilityRequest) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	return nil, s.changeOne(q, &r.handleEntry)
}

func (s *Server) changeVisibilityBatch(r *batchRequest[handleEntry], fault Fault) (any, *Error) {
	q, err := s.find(r.URL)
	if err != nil {
		return nil, err
	}
	return eachEntry(r.Entries, fault, func(e *handleEntry) (entryID, *Error) {
		return entryID{ID: e.ID}, s.changeOne(q, e)
	})
}

// changeOne sets how long from now a message stays invisible, by the same rules
// as deleteOne, and never beyond twelve hours from its receive.
func (s *Server) changeOne(q *queue, e *handleEntry) *Error {
	now := s.clock.Now()
	q.advance(now)
	m, held, err := q.byHandle(e.ReceiptHandle)
	switch {
	case err != nil:
		return err
	case e.VisibilityTimeout == nil:
		return missingParameter("VisibilityTimeout")
	case *e.VisibilityTimeout < 0 || *e.VisibilityTimeout > maxVisibility:
		return outOfRange("VisibilityTimeout", *e.VisibilityTimeout, "Must be between 0 and 43200.")
	case m == nil:
		return outOfRange("ReceiptHandle", e.ReceiptHandle, "Message does not exist or is not available for visibility timeout change.")
	case q.fifo && (!held || m.state != inFlight):
		return expired(e.ReceiptHandle)
	case !held:
		return nil
	}
	until := now.Add(time.Duration(*e.VisibilityTimeout) * time.Second)
	if until.Sub(m.received) > maxVisibility*time.Second {
		return outOfRange("VisibilityTimeout", *e.VisibilityTimeout, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	if until.After(now) {
		q.hide(m, inFlight, until)
	} else if m.state != ready {
		q.show(m)
	}
	s.touch(q)
	return nil
}
