package sqs

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// refused has SQS refuse one entry of the first calls of an operation.
func refused(b *bench, op string, calls int, entry int, why *sqstest.Error) *atomic.Int64 {
	n := new(atomic.Int64)
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation == op && n.Add(1) <= int64(calls) {
			return sqstest.Fault{Entries: map[int]*sqstest.Error{entry: why}}
		}
		return sqstest.Fault{}
	})
	return n
}

// What SQS says when it is asked too often: that it is the sender's fault.
var throttlings = []*sqstest.Error{
	sqstest.Throttled(),
	{Type: "ThrottlingException", Status: 400, Message: "Rate exceeded"},
	{Type: "KMS.ThrottlingException", Status: 400, Message: "Rate exceeded"},
	{Type: "KmsThrottled", Status: 400, Message: "Rate exceeded"},
}

func TestAnEntryThatIsThrottledIsAskedForAgainAndTheLeaseRuns(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO} {
		for _, why := range throttlings {
			b := newBench(t)
			q := openQueue(t, b.p, driver.QueueConfig{Type: kind})
			put(t, q, "a")
			ds := take(t, q, 1)
			n := refused(b, "ChangeMessageVisibilityBatch", 4, 0, why)
			require.NoError(t, q.Extend(within(t), ds, time.Minute), why.Type)
			require.Equal(t, int64(5), n.Load())
			n = refused(b, "DeleteMessageBatch", 4, 0, why)
			require.NoError(t, q.Complete(within(t), ds), why.Type)
			require.Equal(t, int64(5), n.Load())
			require.Equal(t, driver.Stats{}, stats(t, q))
		}
	}
}

func TestAnEntryThatStaysThrottledIsNoLostLeaseAndNoSuccess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a")
	ds := take(t, q, 1)
	for name, call := range map[string]func(context.Context) error{
		"Extend":   func(ctx context.Context) error { return q.Extend(ctx, ds, time.Minute) },
		"Complete": func(ctx context.Context) error { return q.Complete(ctx, ds) },
	} {
		refused(b, "ChangeMessageVisibilityBatch", 1000, 0, sqstest.Throttled())
		if name == "Complete" {
			refused(b, "DeleteMessageBatch", 1000, 0, sqstest.Throttled())
		}
		ctx, cancel := context.WithTimeout(within(t), time.Second)
		err := call(ctx)
		cancel()
		require.ErrorContains(t, err, "RequestThrottled", name)
		require.NotErrorIs(t, err, driver.ErrLeaseLost, name)
	}
	b.SetHook(nil)
	require.NoError(t, q.Complete(within(t), ds))
}

// TestARefusalThatIsNotOfTheHandleIsTheErrorOfItsTask also where the request was sent
// twice: then a handle that is used up is success, and nothing else is.
func TestARefusalThatIsNotOfTheHandleIsTheErrorOfItsTask(t *testing.T) {
	t.Parallel()
	for _, why := range []*sqstest.Error{
		{Type: "AccessDenied", Status: 403, Message: "not authorized to perform: sqs:deletemessage"},
		{Type: "KmsAccessDenied", Status: 400, Message: "no access to the key"},
		{Type: "InvalidParameterValueException", Code: "InvalidParameterValue", Status: 400, Message: "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"},
	} {
		b := newBench(t)
		q := openQueue(t, b.p, driver.QueueConfig{})
		put(t, q, "a", "b")
		ds := take(t, q, 2)
		lost := sqstest.Fault{DropReply: true}
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			reply := sqstest.Fault{Entries: map[int]*sqstest.Error{0: why}, DropReply: lost.DropReply}
			lost.DropReply = false
			return reply
		})
		for name, err := range map[string]error{
			"Complete": q.Complete(within(t), ds[:1]),
			"Extend":   q.Extend(within(t), ds[1:], time.Minute),
		} {
			require.ErrorContains(t, err, why.Message, name)
			require.NotErrorIs(t, err, driver.ErrLeaseLost, name)
		}
		b.SetHook(nil)
		require.NoError(t, q.Complete(within(t), ds))
	}
}

func TestAnExpiredHandleIsALostLeaseHoweverSQSNamesIt(t *testing.T) {
	t.Parallel()
	for _, why := range []*sqstest.Error{
		{Type: "ReceiptHandleIsInvalid", Status: 404, Message: "no"},
		{Type: "MessageNotInflight", Status: 400, Message: "no"},
		{Type: "InvalidParameterValueException", Code: "InvalidParameterValue", Status: 400, Message: "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."},
	} {
		b := newBench(t)
		q := openQueue(t, b.p, driver.QueueConfig{})
		put(t, q, "a")
		ds := take(t, q, 1)
		n := refused(b, "DeleteMessageBatch", 1, 0, why)
		require.ErrorIs(t, q.Complete(within(t), ds), driver.ErrLeaseLost, why.Type)
		require.Equal(t, int64(1), n.Load())
	}
}

func TestAnEnqueueOfAGroupIsRepeatedOnlyInItsOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		throttled []int // entries of a batch of four: a, b, c of one group, and x of another
		gone      int   // entry that SQS refuses for good, if any
		want      []string
	}{
		"the end of the group":    {[]int{1, 2}, -1, []string{"a", "b", "c"}},
		"the middle of the group": {[]int{1}, -1, []string{"a", "c"}}, // c was sent: b would come behind it
		"behind one that is gone": {[]int{2}, 1, []string{"a"}},
		"the whole group":         {[]int{0, 1, 2}, -1, []string{"a", "b", "c"}},
		"before one that is gone": {[]int{0, 1}, 2, []string{"a", "b"}},
	} {
		b := newBench(t)
		q := openQueue(t, b.p, fifo)
		calls := 0
		b.SetHook(func(c1 sqstest.Call) sqstest.Fault {
			if c1.Operation != "SendMessageBatch" {
				return sqstest.Fault{}
			}
			if calls++; calls > 1 {
				return sqstest.Fault{}
			}
			f := sqstest.Fault{Entries: make(map[int]*sqstest.Error)}
			for _, i := range c.throttled {
				f.Entries[i] = sqstest.Throttled()
			}
			if c.gone >= 0 {
				f.Entries[c.gone] = &sqstest.Error{Type: "InvalidMessageContents", Status: 400, Message: "no"}
			}
			return f
		})
		ts := []*driver.Task{task(q, "a"), task(q, "b"), task(q, "c"), task(q, "x", func(t *driver.Task) { t.GroupKey = "h" })}
		_, err := q.Enqueue(within(t), ts)
		failed := make(map[string]bool)
		for i, t := range ts {
			failed[t.ID] = driver.ErrorAt(err, i) != nil
		}
		b.SetHook(nil)
		var got []string
		for range 1 + len(c.want) {
			if d := first(t, q); d.Task.ID != "x" {
				got = append(got, d.Task.ID)
			}
		}
		assert.Equal(t, c.want, got, name)
		for _, id := range []string{"a", "b", "c"} {
			assert.Equal(t, !slices.Contains(c.want, id), failed[id], "%s: the answer for %s", name, id)
		}
		nothing(t, q)
	}
}

func TestABatchThatSQSFindsTooLargeGoesInSmallerOnes(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO} {
		b := newBench(t)
		q := openQueue(t, b.p, driver.QueueConfig{Type: kind})
		most := 3 // messages in a request, to a server that is stricter than AWS
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			if c.Operation == "SendMessageBatch" && len(c.Entries) > most {
				return sqstest.Fault{Error: &sqstest.Error{Type: "BatchRequestTooLong", Code: "AWS.SimpleQueueService.BatchRequestTooLong", Status: 400, Message: "Batch requests cannot be longer than 262144 bytes."}}
			}
			return sqstest.Fault{}
		})
		put(t, q, numbered(25)...)
		for _, want := range numbered(25) {
			if d := first(t, q); kind == driver.FIFO {
				require.Equal(t, want, d.Task.ID)
			}
		}
		most = 0
		_, err := q.Enqueue(within(t), []*driver.Task{task(q, "a")})
		require.ErrorIs(t, driver.ErrorAt(err, 0), driver.ErrPayloadTooLarge)
		require.ErrorContains(t, err, "262144 bytes")
	}
}

func TestAMessageThatSQSFindsTooLargeIsTooLarge(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	refused(b, "SendMessageBatch", 1, 0, &sqstest.Error{Type: "InvalidParameterValueException", Code: "InvalidParameterValue", Status: 400, Message: "One or more parameters are invalid. Reason: Message must be shorter than 262144 bytes."})
	_, err := q.Enqueue(within(t), []*driver.Task{task(q, "a"), task(q, "b")})
	require.ErrorIs(t, driver.ErrorAt(err, 0), driver.ErrPayloadTooLarge)
	require.NoError(t, driver.ErrorAt(err, 1))
}

// TestARefusedRequestLeavesNoDoubt has the lease be lost after it: what SQS refused it has
// not done.
func TestARefusedRequestLeavesNoDoubt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a")
	ds := take(t, q, 1)
	b.SetHook(func(sqstest.Call) sqstest.Fault {
		return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDenied", Status: 403, Message: "no"}}
	})
	require.ErrorContains(t, q.Complete(within(t), ds), "AccessDenied")
	b.SetHook(func(sqstest.Call) sqstest.Fault {
		return sqstest.Fault{Entries: map[int]*sqstest.Error{0: {Type: "ReceiptHandleIsInvalid", Status: 404, Message: "no"}}}
	})
	require.ErrorIs(t, q.Complete(within(t), ds), driver.ErrLeaseLost)
}
