package sqs

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/sqsfake"
	"github.com/taskgen/taskgen/runtime"
)

// TestARequestThatIsNotAnsweredIsSentAgain has one answer get lost on a connection that
// stays open, for each kind of request.
func TestARequestThatIsNotAnsweredIsSentAgain(t *testing.T) {
	for _, cfg := range []runtime.QueueConfig{{}, {Type: runtime.FIFO}} {
		b := newBench(t)
		b.p.api.patience = 500 * time.Millisecond
		q := openQueue(t, b.p, cfg)
		lose := func(action string) *atomic.Bool {
			lost := new(atomic.Bool)
			b.SetHook(func(c sqsfake.Call) sqsfake.Fault {
				if c.Operation == action && lost.CompareAndSwap(false, true) {
					return sqsfake.Fault{Delay: time.Hour} // of a clock that stands still
				}
				return sqsfake.Fault{}
			})
			return lost
		}
		lost := lose("SendMessageBatch")
		put(t, q, "a")
		require.True(t, lost.Load())
		lost = lose("GetQueueAttributes")
		require.EqualValues(t, 1, min(stats(t, q).Ready, 1)) // on a standard queue the send may be there twice
		require.True(t, lost.Load())
		ds := take(t, q, 1)
		lost = lose("ChangeMessageVisibilityBatch")
		require.NoError(t, q.Extend(within(t), ds, 2*time.Minute))
		require.True(t, lost.Load())
		lost = lose("DeleteMessageBatch")
		require.NoError(t, q.Complete(within(t), ds))
		require.True(t, lost.Load())
	}
}

// A lifeline is a connection that can die in silence.
type lifeline struct {
	net.Conn
	dead, closed chan struct{}
	once         sync.Once
}

func (c *lifeline) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.dead:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (c *lifeline) Write(p []byte) (int, error) {
	select {
	case <-c.dead:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

func (c *lifeline) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestConnectionsThatDiedInSilenceAreReplaced has more of them die than a request is
// tried times.
func TestConnectionsThatDiedInSilenceAreReplaced(t *testing.T) {
	var mu sync.Mutex
	dead, dials := make(chan struct{}), 0
	transport := &http.Transport{MaxIdleConnsPerHost: 99, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		dials++
		return &lifeline{Conn: conn, dead: dead, closed: make(chan struct{})}, err
	}}
	b := newBench(t)
	o := client(b.URL()).Options()
	o.HTTPClient = &http.Client{Transport: transport}
	p, err := New(awssqs.New(o), WithClock(b.clock), WithWait(time.Second))
	require.NoError(t, err)
	p.api.patience = time.Second
	q := openQueue(t, p, runtime.QueueConfig{})
	const conns = 8
	var all, done sync.WaitGroup
	var calls atomic.Int64
	all.Add(conns)
	b.SetHook(func(c sqsfake.Call) sqsfake.Fault {
		if calls.Add(1) <= conns { // each of the first needs a connection of its own
			all.Done()
			all.Wait()
		}
		return sqsfake.Fault{}
	})
	for range conns {
		done.Go(func() { _, _ = q.Stats(within(t)) })
	}
	done.Wait()
	b.SetHook(nil)
	mu.Lock()
	require.GreaterOrEqual(t, dials, conns)
	close(dead)
	dead = make(chan struct{})
	mu.Unlock()
	put(t, q, "a")
	require.Equal(t, []string{"a"}, idsOf(take(t, q, 1)))
	require.NoError(t, p.Close())
	transport.CloseIdleConnections()
}
