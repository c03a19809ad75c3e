package sqs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A dead connection answers nothing, and no error says so for minutes.
const (
	// defaultAnswerWait is how long the answer to a request may take to begin, beyond the
	// wait of a poll.
	defaultAnswerWait = 5 * time.Second
	// minSendRate is how many bytes a second a request may take to be sent, on top of that.
	minSendRate = 64 << 10
	// answerTime is how long an answer may take that has begun.
	answerTime = 20 * time.Second
	// suspectAfter is how long a request is out, beyond the wait of a poll, until its
	// connection counts as dead where the caller gives up first. It is the bound of
	// requests that leases depend on, and that may be sent twice without harm, where their
	// first try is on a connection that was idle.
	suspectAfter = time.Second
)

// waitKey is where the context of a poll has its wait.
type waitKey struct{}

func waiting(ctx context.Context, wait time.Duration) context.Context {
	return context.WithValue(ctx, waitKey{}, wait)
}

// An answerTimeout is the error of a request that was not answered. Its connection is closed.
type answerTimeout struct {
	action string
	after  time.Duration
	poll   bool
}

func (s *answerTimeout) Error() string { return fmt.Sprintf("SQS did not answer within %s", s.after) }

// RetryableError makes the SDK send a request again, except a poll: a Dequeue that still
// waits starts a new one.
func (s *answerTimeout) RetryableError() bool { return !s.poll }

// bounded makes one attempt at a request, and gives it up where nothing comes.
func (a *api) bounded(ctx context.Context, hasty bool, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	wait, poll := ctx.Value(waitKey{}).(time.Duration)
	s := &answerTimeout{action: awsmiddleware.GetOperationName(ctx), after: wait + a.answerWait, poll: poll}
	bound := s.after
	if r, ok := in.Request.(*smithyhttp.Request); ok {
		bound += time.Duration(r.ContentLength) * time.Second / minSendRate
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := time.AfterFunc(bound, func() { cancel(s) })
	defer t.Stop()
	began, answered := time.Now(), new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) {
			if c.WasIdle && hasty && a.answerWait > suspectAfter {
				t.Reset(bound - a.answerWait + suspectAfter)
			}
		},
		GotFirstResponseByte: func() {
			answered.Store(true)
			t.Reset(answerTime)
		},
	})
	out, meta, err := next.HandleFinalize(ctx, in)
	if err == nil {
		return out, meta, nil
	}
	if context.Cause(ctx) == error(s) {
		err = s
		a.closeIdle()
	} else if ctx.Err() != nil && !answered.Load() && time.Since(began) >= wait+suspectAfter {
		a.closeIdle()
	}
	return out, meta, err
}

// twice makes the first attempt at a request that leases depend on, and that may be sent
// twice without harm. If it went over an idle connection, and no answer began for a second,
// it is sent again at once. The SDK would pause before that, and leases would end.
func (a *api) twice(ctx context.Context, tries *atomic.Int64, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	again, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return a.bounded(ctx, false, in, next)
	}
	in.Request = again.Clone()
	out, meta, err := a.bounded(ctx, true, in, next)
	var s *answerTimeout
	if err == nil || ctx.Err() != nil || !errors.As(err, &s) || again.RewindStream() != nil {
		return out, meta, err
	}
	a.count(s.action)
	tries.Add(1)
	in.Request = again
	return a.bounded(ctx, false, in, next)
}

// closeIdle makes the next requests use new connections. If one is dead the others may be
// too, and each would take as long to detect.
func (a *api) closeIdle() {
	if c, ok := a.Options().HTTPClient.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// explicitZero makes a request say 0 for a number that is -1 in it. The SDK leaves a zero
// out, and SQS then uses the attribute of the queue.
func explicitZero(o *awssqs.Options) {
	o.APIOptions = append(o.APIOptions[:len(o.APIOptions):len(o.APIOptions)], func(s *middleware.Stack) error {
		return s.Build.Add(middleware.BuildMiddlewareFunc("taskgenZero", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
			r, ok := in.Request.(*smithyhttp.Request)
			if !ok || r.GetStream() == nil {
				return next.HandleBuild(ctx, in)
			}
			text, err := io.ReadAll(r.GetStream())
			if err != nil {
				return middleware.BuildOutput{}, middleware.Metadata{}, err
			}
			for _, name := range []string{"WaitTimeSeconds", "DelaySeconds"} {
				// Within a text the quotes would be escaped.
				text = bytes.ReplaceAll(text, []byte(`"`+name+`":-1`), []byte(`"`+name+`":0`))
			}
			if in.Request, err = r.SetStream(bytes.NewReader(text)); err != nil {
				return middleware.BuildOutput{}, middleware.Metadata{}, err
			}
			return next.HandleBuild(ctx, in)
		}), middleware.Before)
	})
}
