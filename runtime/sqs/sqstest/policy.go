package sqstest

import "slices"

// Permit has the server allow nothing but the given actions on a queue, by its name, as
// IAM policies do: by default all are. They are written without "sqs:", and a batch
// needs the action of one message alone. With the name "" it is for all queues that have
// nothing of their own.
func (s *Server) Permit(queue string, actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.permits[queue] = append([]string{}, actions...)
}

// batches are the actions that a batch call needs.
var batches = map[string]string{
	"SendMessageBatch":             "SendMessage",
	"DeleteMessageBatch":           "DeleteMessage",
	"ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}

// forbidden answers a call that no policy allows.
func (s *Server) forbidden(c Call) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	allowed, ok := s.permits[c.Queue]
	if !ok {
		allowed, ok = s.permits[""]
	}
	action := c.Operation
	if one, batch := batches[action]; batch {
		action = one
	}
	if !ok || slices.Contains(allowed, action) {
		return nil
	}
	return &Error{
		Type: "AccessDeniedException", Code: "AccessDenied", Status: 403,
		Message: "User: arn:aws:iam::" + account + ":user/" + senderID + " is not authorized to perform: sqs:" + action + " on resource: " + arn(c.Queue) + " because no identity-based policy allows the sqs:" + action + " action",
	}
}

// GiveAway makes a queue another account's: it is found by its URL alone, which it
// returns, and no more by its name.
func (s *Server) GiveAway(queue, owner string) (url string) {
	host := s.URL()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[queue].owner = owner
	return host + "/" + owner + "/" + queue
}
