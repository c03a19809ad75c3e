package sqstest

import "context"

// requests makes the request of each operation that the fake knows.
var requests = map[string]func() any{
	"CreateQueue":                  func() any { return new(createQueueRequest) },
	"GetQueueUrl":                  func() any { return new(getQueueURLRequest) },
	"DeleteQueue":                  func() any { return new(queueURL) },
	"PurgeQueue":                   func() any { return new(queueURL) },
	"GetQueueAttributes":           func() any { return new(getAttributesRequest) },
	"SetQueueAttributes":           func() any { return new(setAttributesRequest) },
	"ListQueues":                   func() any { return new(listQueuesRequest) },
	"ListDeadLetterSourceQueues":   func() any { return new(listQueuesRequest) },
	"TagQueue":                     func() any { return new(tagsRequest) },
	"UntagQueue":                   func() any { return new(tagsRequest) },
	"ListQueueTags":                func() any { return new(queueURL) },
	"SendMessage":                  func() any { return new(sendRequest) },
	"SendMessageBatch":             func() any { return new(batchRequest[sendEntry]) },
	"ReceiveMessage":               func() any { return new(receiveRequest) },
	"DeleteMessage":                func() any { return new(deleteRequest) },
	"DeleteMessageBatch":           func() any { return new(batchRequest[handleEntry]) },
	"ChangeMessageVisibility":      func() any { return new(visibilityRequest) },
	"ChangeMessageVisibilityBatch": func() any { return new(batchRequest[handleEntry]) },
	"StartMessageMoveTask":         func() any { return new(startMoveRequest) },
	"ListMessageMoveTasks":         func() any { return new(listMovesRequest) },
	"CancelMessageMoveTask":        func() any { return new(moveHandle) },
}

// act carries a call out. Whatever it changes, it changes under the lock; only
// ReceiveMessage gives the lock up to wait.
func (s *Server) act(ctx context.Context, c *call, host string, fault Fault) (any, *Error) {
	if r, ok := c.request.(*receiveRequest); ok {
		if fault.GoOn {
			ctx = context.WithoutCancel(ctx)
		}
		return s.receive(ctx, r, fault.Empty)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.flush()
	if batch, ok := c.request.(interface{ ids() []string }); ok {
		if err := checkBatch(batch.ids()); err != nil {
			return nil, err
		}
	}
	switch r := c.request.(type) {
	case *createQueueRequest:
		return s.createQueue(r, host)
	case *getQueueURLRequest:
		return s.getQueueURL(r, host)
	case *getAttributesRequest:
		return s.getAttributes(r)
	case *setAttributesRequest:
		return s.setAttributes(r)
	case *sendRequest:
		return s.send(r)
	case *batchRequest[sendEntry]:
		return s.sendBatch(r, fault)
	case *deleteRequest:
		return s.delete(r)
	case *visibilityRequest:
		return s.changeVisibility(r)
	case *startMoveRequest:
		return s.startMove(r)
	case *listMovesRequest:
		return s.listMoves(r)
	case *moveHandle:
		return s.cancelMove(r)
	}
	return s.actByName(c, host, fault)
}

// actByName carries out the operations that share the shape of a request.
func (s *Server) actByName(c *call, host string, fault Fault) (any, *Error) {
	switch c.Operation {
	case "DeleteQueue":
		return s.deleteQueue(c.request.(*queueURL))
	case "PurgeQueue":
		return s.purgeQueue(c.request.(*queueURL))
	case "ListQueueTags":
		return s.listTags(c.request.(*queueURL))
	case "TagQueue":
		return s.tag(c.request.(*tagsRequest))
	case "UntagQueue":
		return s.untag(c.request.(*tagsRequest))
	case "ListQueues":
		return s.listQueues(c.request.(*listQueuesRequest), host)
	case "ListDeadLetterSourceQueues":
		return s.listSources(c.request.(*listQueuesRequest), host)
	case "DeleteMessageBatch":
		return s.deleteBatch(c.request.(*batchRequest[handleEntry]), fault)
	default: // ChangeMessageVisibilityBatch
		return s.changeVisibilityBatch(c.request.(*batchRequest[handleEntry]), fault)
	}
}
