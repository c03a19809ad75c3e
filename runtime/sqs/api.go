package sqs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/taskgen/taskgen/runtime/driver"
)

// parallel bounds the concurrent batches of one call.
const parallel = 8

// An api is the client with a count of its requests, and a bound for each.
type api struct {
	*awssqs.Client
	counts           sync.Map // action -> *atomic.Int64
	answerWait       time.Duration
	closeConnections func() // closes the connections that are the provider's own
}

// newAPI derives a client that counts. It counts below the SDK's retries, and so each
// attempt.
func newAPI(client *awssqs.Client) *api {
	a := &api{answerWait: defaultAnswerWait, closeConnections: func() {}}
	count := middleware.FinalizeMiddlewareFunc("taskgenCount", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		a.count(awsmiddleware.GetOperationName(ctx))
		tries, counted := ctx.Value(triesKey{}).(*atomic.Int64)
		if !counted || tries.Add(1) > 1 {
			return a.bounded(ctx, false, in, next)
		}
		return a.twice(ctx, tries, in, next)
	})
	a.Client = awssqs.New(client.Options(), func(o *awssqs.Options) {
		if sdks, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			own := ownConnections(sdks)
			o.HTTPClient, a.closeConnections = own, own.CloseIdleConnections
		}
		o.APIOptions = append(o.APIOptions[:len(o.APIOptions):len(o.APIOptions)], func(s *middleware.Stack) error {
			return errors.Join(s.Finalize.Add(plainStream, middleware.Before), s.Finalize.Insert(count, "Retry", middleware.After))
		})
	})
	return a
}

// triesKey is the context's key for the count of how often its request was sent.
type triesKey struct{}

func counting(ctx context.Context) (context.Context, *atomic.Int64) {
	tries := new(atomic.Int64)
	return context.WithValue(ctx, triesKey{}, tries), tries
}

func (a *api) count(action string) {
	n, ok := a.counts.Load(action)
	if !ok {
		n, _ = a.counts.LoadOrStore(action, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

func (a *api) requests() map[string]int64 {
	all := make(map[string]int64)
	a.counts.Range(func(k, n any) bool {
		all[k.(string)] = n.(*atomic.Int64).Load()
		return true
	})
	return all
}

// An entryResult is the answer to one entry of a batch.
type entryResult struct {
	err   error
	retry bool // the entry may be sent again: the cause is temporary
	busy  bool // and passes if SQS gets fewer requests
	stale bool // the receipt handle has become invalid
}

func failed(e types.BatchResultErrorEntry) entryResult {
	code, text := aws.ToString(e.Code), aws.ToString(e.Message)
	v := entryResult{err: fmt.Errorf("SQS refused it: %s: %s", code, text)}
	v.stale = staleHandle(code, text)
	v.busy = throttled(code)
	v.retry = !v.stale && (v.busy || !e.SenderFault)
	if v.retry {
		v.err = driver.Unavailable(v.err)
	}
	if tooLarge(code, text) {
		v.err = fmt.Errorf("%w: %w", driver.ErrPayloadTooLarge, v.err)
	}
	return v
}

// staleHandle reports whether a refusal is about the receipt handle, and so means that
// the lease is lost. After any other refusal the lease continues.
func staleHandle(code, text string) bool {
	if strings.Contains(code, "ReceiptHandle") || strings.Contains(code, "NotInflight") {
		return true
	}
	text = strings.ToLower(text)
	return strings.Contains(code, "InvalidParameterValue") &&
		(strings.Contains(text, "receipthandle") || strings.Contains(text, "receipt handle") || strings.Contains(text, "handle has expired"))
}

// throttled reports whether a code asks for patience. SQS calls it the sender's fault,
// also if the key of an encrypted queue is used too often (KMS.ThrottlingException,
// KmsThrottled).
func throttled(code string) bool {
	for _, sign := range []string{"Throttl", "TooManyRequests", "SlowDown", "RequestLimitExceeded", "BandwidthLimitExceeded", "ServiceUnavailable"} {
		if strings.Contains(code, sign) {
			return true
		}
	}
	return false
}

// tooLarge reports whether a message is too large for SQS.
func tooLarge(code, text string) bool {
	return strings.Contains(code, "TooLong") || strings.Contains(code, "InvalidParameterValue") && strings.Contains(text, "must be shorter than")
}

// Bounds of the repetition of a batch's entry. Beyond them the caller gets the error,
// and may try again: the lease continues.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = time.Second
	fewTries   = 3 // if SQS failed
	manyTries  = 8 // if it gets too many requests: for three seconds and a half
)

// entries sends a batch of at most ten entries, and repeats those with a temporary
// refusal, after a growing pause. do sends the entries with the given numbers and
// returns the answers that it got. entries ends when ctx does.
func entries(ctx context.Context, n int, do func(numbers []int) (map[int]entryResult, error)) []error {
	errs := make([]error, n)
	left := make([]int, n)
	for i := range left {
		left[i] = i
	}
	for try := 1; ; try++ {
		answers, err := do(left)
		if err != nil {
			for _, i := range left {
				errs[i] = &callError{errors.Join(errs[i], err)} // and what SQS said before
			}
			return errs
		}
		var again []int
		for _, i := range left {
			v, ok := answers[i]
			if !ok {
				v = entryResult{err: errNoAnswer, retry: true}
			}
			if errs[i] = v.err; v.err != nil && v.retry && (try < fewTries || v.busy && try < manyTries) {
				again = append(again, i)
			}
		}
		if left = again; len(left) == 0 {
			return errs
		}
		select {
		case <-time.After(min(firstPause<<(try-1), maxPause)):
		case <-ctx.Done():
			return errs
		}
	}
}

// A callError is the failure of a whole request, as opposed to that of one of its
// entries.
type callError struct{ error }

func (e *callError) Unwrap() error { return e.error }

// entryResults turns the two lists of a batch's answer into results by entry. An ID is the
// entry's number.
func entryResults[S any](succeeded []S, id func(S) *string, refused []types.BatchResultErrorEntry) map[int]entryResult {
	all := make(map[int]entryResult, len(succeeded)+len(refused))
	for _, s := range succeeded {
		if i, err := strconv.Atoi(aws.ToString(id(s))); err == nil {
			all[i] = entryResult{}
		}
	}
	for _, f := range refused {
		if i, err := strconv.Atoi(aws.ToString(f.Id)); err == nil {
			all[i] = failed(f)
		}
	}
	return all
}

// explain adds advice to the errors of requests that say too little.
func explain(what string, err error) error {
	var (
		gone  *types.QueueDoesNotExist
		over  *types.OverLimit
		fresh *types.QueueDeletedRecently
	)
	switch err = unavailable(err); {
	case err == nil:
		return nil
	case errors.As(err, &gone):
		return fmt.Errorf("%s: %w: the SQS queue does not exist; it was deleted, or belongs to another region or account: open the queue again: %w", what, driver.ErrUnknownQueue, err)
	case errors.As(err, &over):
		return fmt.Errorf("%s: 120,000 messages are in flight, which is the most that SQS allows: run fewer workers with shorter tasks, or more queues: %w", what, err)
	case errors.As(err, &fresh):
		return fmt.Errorf("%s: a queue of this name was deleted within the last 60 s: wait until that is over: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// concurrently runs f for every part concurrently, at most parallel of them at a time.
func concurrently[T any](parts []T, f func(T)) {
	if len(parts) == 1 {
		f(parts[0])
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, part := range parts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(part)
		})
	}
	wg.Wait()
}

// result makes one error of those of a batch's items: a BatchError if some failed, and
// the plain error if one request failed for all of them.
func result(errs []error, id func(i int) string) error {
	be := &driver.BatchError{}
	whole := len(errs) > 0
	for i, err := range errs {
		be.Add(i, id(i), err)
		var call *callError
		whole = whole && errors.As(err, &call)
	}
	if whole {
		return errs[0]
	}
	return be.OrNil()
}
