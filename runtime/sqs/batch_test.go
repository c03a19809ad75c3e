package sqs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

func sized(n int) func(*driver.Task) {
	return func(t *driver.Task) { t.Payload = []byte(`"` + strings.Repeat("x", n-2) + `"`) }
}

func TestBatchesAreCutBySizeAsWellAsByNumber(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, cfg := range []driver.QueueConfig{{Name: "s"}, {Name: "f", Type: driver.FIFO}} {
		q := openQueue(t, b.p, cfg)
		before := b.p.Requests()["SendMessageBatch"]
		ts := make([]*driver.Task, 9)
		for i, id := range numbered(9) {
			ts[i] = task(q, id, sized(300_000))
		}
		enqueue(t, q, ts...)
		require.Equal(t, int64(3), b.p.Requests()["SendMessageBatch"]-before, "three of 300 kB fit into 1 MiB")
		require.Equal(t, driver.Stats{Ready: 9}, stats(t, q))
	}
}

func TestATaskTooLargeForAMessageIsRefusedAndTheOthersAreSent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	_, err := q.Enqueue(within(t), []*driver.Task{task(q, "a"), task(q, "b", sized(1<<20)), task(q, "c")})
	require.ErrorIs(t, driver.ErrorAt(err, 1), driver.ErrPayloadTooLarge)
	require.ErrorContains(t, err, "WithStore")
	require.Equal(t, driver.Stats{Ready: 2}, stats(t, q))
}

func TestAnEntryThatFailsBySQSsFaultIsSentAgainAndOneByOursIsNot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	sends := 0
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation != "SendMessageBatch" {
			return sqstest.Fault{}
		}
		if sends++; sends == 1 {
			return sqstest.Fault{Entries: map[int]*sqstest.Error{
				0: sqstest.InternalError(),
				2: {Type: "InvalidMessageContents", Status: 400, Message: "no"},
			}}
		}
		return sqstest.Fault{}
	})
	_, err := q.Enqueue(within(t), []*driver.Task{task(q, "a"), task(q, "b"), task(q, "c"), task(q, "d")})
	var be *driver.BatchError
	require.ErrorAs(t, err, &be)
	require.Len(t, be.Items, 1)
	require.Equal(t, 2, be.Items[0].Index)
	require.Equal(t, 2, sends)
	require.Equal(t, driver.Stats{Ready: 3}, stats(t, q))
}

func TestAReceiptHandleThatSQSRefusesIsALostLease(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a", "b")
	ds := take(t, q, 2)
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		return sqstest.Fault{Entries: map[int]*sqstest.Error{0: {Type: "ReceiptHandleIsInvalid", Status: 404, Message: "no"}}}
	})
	for name, call := range map[string]func() error{
		"Complete": func() error { return q.Complete(within(t), ds[:1]) },
		"Extend":   func() error { return q.Extend(within(t), ds[1:], time.Minute) },
	} {
		require.ErrorIs(t, call(), driver.ErrLeaseLost, name)
	}
}

func TestAFailedDeleteDoesNotSendATaskTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	put(t, q, "a", "b")
	ds := take(t, q, 2)
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation == "DeleteMessageBatch" {
			return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDenied", Status: 403, Message: "no"}}
		}
		return sqstest.Fault{}
	})
	require.Error(t, q.Release(within(t), ds[:1]))
	require.Error(t, q.DeadLetter(within(t), ds[1:]))
	b.SetHook(nil)
	require.NoError(t, q.Release(within(t), ds[:1]))
	require.NoError(t, q.DeadLetter(within(t), ds[1:]))
	require.Equal(t, driver.Stats{Ready: 1, Dead: 1}, stats(t, q))
}

// A memoryStore is a store in memory.
type memoryStore struct {
	mu  sync.Mutex
	all map[string][]byte
}

func (s *memoryStore) Put(_ context.Context, key string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[key] = append([]byte(nil), data...)
	return nil
}

func (s *memoryStore) Get(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.all[key]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotStored, key)
	}
	return data, nil
}

func (s *memoryStore) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, key)
	return nil
}

func (s *memoryStore) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func TestALargePayloadTravelsThroughTheStoreAndIsDeletedWhenItsTaskIsDone(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO} {
		for _, encoding := range []string{"", "zstd"} {
			store := &memoryStore{all: make(map[string][]byte)}
			b := newBench(t, WithStore(store))
			q := openQueue(t, b.p, driver.QueueConfig{Type: kind})
			require.Equal(t, driver.Unlimited, q.Capabilities().MaxPayload)
			large := task(q, "large", sized(3<<20), func(t *driver.Task) { t.Encoding = encoding })
			enqueue(t, q, large, task(q, "small", func(t *driver.Task) {
				if kind == driver.FIFO {
					t.GroupKey = "other"
				}
			}))
			require.Equal(t, 1, store.len(), "only what does not fit is stored")
			ds := take(t, q, 2)
			if ds[0].Task.ID != "large" {
				ds[0], ds[1] = ds[1], ds[0]
			}
			require.Equal(t, large.Payload, ds[0].Task.Payload)
			require.Equal(t, encoding, ds[0].Task.Encoding)
			require.NoError(t, q.Complete(within(t), ds[1:]))
			require.Equal(t, 1, store.len())
			require.NoError(t, q.Complete(within(t), ds[:1]))
			require.Zero(t, store.len())
		}
	}
}

func TestAStoredPayloadComesBackThroughReleaseDeathAndRedrive(t *testing.T) {
	t.Parallel()
	store := &memoryStore{all: make(map[string][]byte)}
	b := briefBench(t, WithStore(store))
	q := openQueue(t, b.p, driver.QueueConfig{})
	large := task(q, "large", sized(2<<20))
	enqueue(t, q, large)
	d := take(t, q, 1)
	require.NoError(t, q.Release(within(t), d))
	d = take(t, q, 1)
	driver.RecordDeath(d[0].Task, "q", b.clock.Now(), driver.ErrTimeout)
	require.NoError(t, q.DeadLetter(within(t), d))
	moved, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"large"}, moved)
	d = take(t, q, 1)
	require.Equal(t, large.Payload, d[0].Task.Payload)
	require.Equal(t, 1, store.len(), "it was stored once")
	require.NoError(t, q.Complete(within(t), d))
	require.Zero(t, store.len())
}

func TestATaskWhosePayloadIsGoneFromTheStoreDiesWithTheReason(t *testing.T) {
	t.Parallel()
	store := &memoryStore{all: make(map[string][]byte)}
	b := newBench(t, WithStore(store))
	q := openQueue(t, b.p, driver.QueueConfig{})
	enqueue(t, q, task(q, "large", sized(2<<20)))
	clear(store.all)
	nothing(t, q)
	becomes(t, q, driver.Stats{Dead: 1})
	dead := openQueue(t, b.p, driver.QueueConfig{Name: "q-dlq"})
	require.Contains(t, take(t, dead, 1)[0].Task.Metadata[driver.MetaFailureReason], "no such payload")
}
