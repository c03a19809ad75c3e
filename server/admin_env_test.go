package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/server"
)

// serveAdmin serves the queues of a store to a viewer, an operator and an admin.
func serveAdmin(t *testing.T, store queueStore, edit ...func(*server.Config)) *queueServer {
	t.Helper()
	return serveQueues(t, store, append([]func(*server.Config){func(c *server.Config) {
		c.Tokens = tokens()
		c.Providers = map[string]runtime.Provider{"main": store.provider}
	}}, edit...)...)
}

// admin is a client of the service with a token.
func (q *queueServer) admin(token string, opts ...connect.ClientOption) connectv1.QueueAdminServiceClient {
	return connectv1.NewQueueAdminServiceClient(q.http, q.url, append(opts, connect.WithInterceptors(queueToken(token)))...)
}

// admins calls test with a server and an admin's client for each protocol.
func admins(t *testing.T, test func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient)) {
	for name, opts := range queueProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := serveAdmin(t, inMemory(t))
			test(t, q, q.admin(adminToken, opts...))
		})
	}
}

// mailsOf makes n mails with a secret, m0000 first.
func mailsOf(n int) []*runtime.Task {
	tasks := make([]*runtime.Task, n)
	for i := range tasks {
		id := fmt.Sprintf("m%04d", i)
		tasks[i] = &runtime.Task{
			ID: id, Type: "mail", Queue: "mails", CreatedAt: time.Now(), MaxRetries: 2, Shape: mailSpec.Shape, Metadata: map[string]string{"tenant": "acme"},
			Payload: []byte(`{"to":"` + id + `@example.com","token":"` + mailCanary + `"}`),
		}
	}
	return tasks
}

// put enqueues tasks on their queue.
func (q *queueServer) put(t *testing.T, tasks ...*runtime.Task) {
	t.Helper()
	for part := range slices.Chunk(tasks, 500) {
		_, err := q.m.Enqueue(soonEnough(t), part)
		require.NoError(t, err)
	}
}

// bury has n mails die, every third of them of a time out.
func (q *queueServer) bury(t *testing.T, n int) {
	t.Helper()
	q.put(t, mailsOf(n)...)
	queue, err := q.m.Queue("mails")
	require.NoError(t, err)
	for left := n; left > 0; {
		ds, err := queue.Dequeue(soonEnough(t), min(left, 100), time.Minute)
		require.NoError(t, err)
		for _, d := range ds {
			cause := errors.New("the mailbox is full")
			if d.Task.ID[4]%3 == 0 {
				cause = errors.New("dial: timeout after 3 s")
			}
			driver.RecordAttempt(d.Task, 1, "w-1", time.Now(), time.Millisecond, cause)
			driver.RecordDeath(d.Task, "mails", time.Now(), cause)
		}
		require.NoError(t, queue.DeadLetter(soonEnough(t), ds))
		left -= len(ds)
	}
}

// takeAll takes n tasks off a queue, each once.
func (q *queueServer) takeAll(t *testing.T, name string, n int) map[string]*runtime.Task {
	t.Helper()
	queue, err := q.m.Queue(name)
	require.NoError(t, err)
	all := make(map[string]*runtime.Task, n)
	for len(all) < n {
		ds, err := queue.Dequeue(soonEnough(t), 100, time.Minute)
		require.NoError(t, err)
		for _, d := range ds {
			require.NotContains(t, all, d.Task.ID)
			all[d.Task.ID] = d.Task
		}
		require.NoError(t, queue.Complete(soonEnough(t), ds))
	}
	return all
}

// finished waits until a job is over.
func finished(t *testing.T, c connectv1.QueueAdminServiceClient, id string) *v1.BulkJob {
	t.Helper()
	return watched(t, c, id, func(*v1.BulkJob) bool { return false })
}

// watched waits until a job is over, or enough holds of it.
func watched(t *testing.T, c connectv1.QueueAdminServiceClient, id string, enough func(*v1.BulkJob) bool) *v1.BulkJob {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := c.WatchBulkJob(ctx, &v1.WatchBulkJobRequest{Id: id})
	require.NoError(t, err)
	defer stream.Close()
	var last *v1.BulkJob
	for stream.Receive() {
		if last = stream.Msg().GetJob(); enough(last) {
			return last
		}
	}
	require.NoError(t, stream.Err())
	require.NotEqual(t, v1.BulkState_BULK_STATE_RUNNING, last.GetState())
	return last
}
