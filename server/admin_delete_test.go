package server_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/server"
)

// onSQLite is a store in a file that is empty.
func onSQLite(t *testing.T) queueStore {
	t.Helper()
	p, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tasks.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return queueStore{p, p.Results()}
}

// deletes calls test with an admin's client for each provider.
func deletes(t *testing.T, test func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient)) {
	for name, store := range map[string]func(*testing.T) queueStore{"memory": inMemory, "sqlite": onSQLite, "redis": onRedis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := serveAdmin(t, store(t))
			test(t, q, q.admin(adminToken, connect.WithGRPC()))
		})
	}
}

func deleteQueue(t *testing.T, c connectv1.QueueAdminServiceClient, r *v1.DeleteQueueRequest) error {
	t.Helper()
	_, err := c.DeleteQueue(soonEnough(t), r)
	return err
}

func TestADeletedQueueIsGoneAndItsNameIsFree(t *testing.T) {
	deletes(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		q.bury(t, 2)
		q.put(t, mailsOf(5)[2:]...)
		require.NoError(t, deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails", WithTasks: true, Reason: "no more mails"}))
		require.NoError(t, deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "levels"}), "it is empty")
		for _, gone := range []string{"mails", "levels", "nowhere"} {
			err := deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: gone})
			assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err), "%s: %v", gone, err)
		}
		_, names := listedQueues(t, c)
		assert.Equal(t, []string{"short", "small"}, names)
		_, err := c.ListDeadLetters(soonEnough(t), &v1.ListDeadLettersRequest{Queue: "mails"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))

		_, err = c.CreateQueue(soonEnough(t), &v1.CreateQueueRequest{Queue: "mails", Type: v1.QueueType_QUEUE_TYPE_PRIORITY, Levels: 2})
		require.NoError(t, err, "of another type")
		assert.Equal(t, driver.Stats{}, q.statsOf(t, "mails"), "it is new")
		letters, err := c.ListDeadLetters(soonEnough(t), &v1.ListDeadLettersRequest{Queue: "mails"})
		require.NoError(t, err)
		assert.Empty(t, letters.GetLetters())
	})
}

func TestAQueueWithTasksStaysUnlessTheRequestSaysSo(t *testing.T) {
	deletes(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		queue, err := q.m.Queue("mails")
		require.NoError(t, err)
		stays := func(want driver.Stats, why string) {
			t.Helper()
			err := deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails"})
			require.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, why)
			require.Equal(t, want, q.statsOf(t, "mails"))
		}
		tasks := mailsOf(2)
		tasks[1].ScheduledFor = time.Now().Add(time.Hour)
		q.put(t, tasks[1])
		stays(driver.Stats{Scheduled: 1}, "1 wait, workers have 0, and 0 are dead")
		_, err = queue.(driver.Canceller).Cancel(soonEnough(t), []string{tasks[1].ID})
		require.NoError(t, err)
		q.put(t, tasks[0])
		stays(driver.Stats{Ready: 1}, "1 wait, workers have 0, and 0 are dead")
		ds, err := queue.Dequeue(soonEnough(t), 1, time.Minute)
		require.NoError(t, err)
		stays(driver.Stats{Leased: 1}, "0 wait, workers have 1, and 0 are dead")
		driver.RecordDeath(ds[0].Task, "mails", time.Now(), errors.New("it failed"))
		require.NoError(t, queue.DeadLetter(soonEnough(t), ds))
		stays(driver.Stats{Dead: 1}, "0 wait, workers have 0, and 1 are dead")
		_, err = queue.(driver.Discarder).Discard(soonEnough(t), []string{tasks[0].ID})
		require.NoError(t, err)
		require.NoError(t, deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails"}), "it is empty by now")
	})
}

func TestADeadLetterQueueIsDeletedWithTheQueueThatNamesIt(t *testing.T) {
	deletes(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		require.NoError(t, q.m.Open(t.Context(), q.provider, runtime.QueueConfig{Name: "mails-dlq"}))
		err := deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails-dlq", WithTasks: true})
		require.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "delete the queue that the tasks died on")
		require.NoError(t, deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails"}))
		_, names := listedQueues(t, c)
		assert.Equal(t, []string{"levels", "short", "small"}, names)
	})
}

func TestADeletionIsRecordedAsOneThatWasRefusedIs(t *testing.T) {
	var l ledger
	q := serveAdmin(t, inMemory(t), func(c *server.Config) { c.Audit = l.add })
	q.bury(t, 1)
	c := q.admin(adminToken)
	require.Error(t, deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails", Reason: "no more mails"}))
	require.NoError(t, deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails", WithTasks: true, Reason: "not even dead ones"}))
	require.Equal(t, connect.CodePermissionDenied, connect.CodeOf(deleteQueue(t, q.admin(operatorToken), &v1.DeleteQueueRequest{Queue: "levels"})))
	var got [][]any
	for _, r := range l.take() {
		assert.Equal(t, connectv1.QueueAdminServiceDeleteQueueProcedure, r.Procedure)
		got = append(got, []any{r.Caller, r.Subjects, r.Reason, r.Code})
	}
	assert.Equal(t, [][]any{
		{"ops", []string{"mails"}, "no more mails", "failed_precondition"},
		{"ops", []string{"mails"}, "not even dead ones", "ok"},
		{"shop", []string(nil), "", "permission_denied"},
	}, got)
}

// An altered provider alters its queues.
type altered struct {
	runtime.Provider
	alter func(driver.Queue) driver.Queue
}

func (p altered) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	return p.alter(q), err
}

// serveAltered serves altered queues in memory.
func serveAltered(t *testing.T, alter func(driver.Queue) driver.Queue) (*queueServer, connectv1.QueueAdminServiceClient) {
	t.Helper()
	store := inMemory(t)
	store.provider = altered{store.provider, alter}
	q := serveAdmin(t, store)
	return q, q.admin(adminToken)
}

// A limited queue can do less than its own.
type limited struct {
	driver.Queue
	caps driver.Capabilities
}

func (q limited) Capabilities() driver.Capabilities { return q.caps }

// A deletable queue is limited, and can be deleted.
type deletable struct {
	limited
	driver.Deleter
}

func TestAQueueThatItsProviderCannotDeleteStays(t *testing.T) {
	q, c := serveAltered(t, func(of driver.Queue) driver.Queue {
		caps := of.Capabilities()
		caps.Delete = false
		return limited{of, caps}
	})
	q.put(t, mailsOf(1)...)
	for _, with := range []bool{false, true} {
		err := deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails", WithTasks: with})
		assert.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err), "%v", err)
	}
	assert.Equal(t, driver.Stats{Ready: 1}, q.statsOf(t, "mails"))
}

func TestAQueueWhoseTasksCannotBeCountedStaysUnlessTheRequestSaysSo(t *testing.T) {
	_, c := serveAltered(t, func(of driver.Queue) driver.Queue {
		caps := of.Capabilities()
		caps.CountsScheduled = false
		return deletable{limited{of, caps}, of.(driver.Deleter)}
	})
	err := deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails"})
	require.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "cannot count")
	require.NoError(t, deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails", WithTasks: true}))
}

// A hesitant queue fails to delete itself at first, which closes it all the same.
type hesitant struct {
	driver.Queue
	tries int
}

func (q *hesitant) Delete(context.Context) error {
	if q.tries++; q.tries == 1 {
		return errors.Join(q.Close(), driver.Unavailable(errors.New("the broker is away")))
	}
	return nil
}

func TestADeletionThatFailedIsRepeated(t *testing.T) {
	_, c := serveAltered(t, func(of driver.Queue) driver.Queue { return &hesitant{Queue: of} })
	err := deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails"})
	require.Equal(t, connect.CodeUnavailable, connect.CodeOf(err), "%v", err)
	require.NoError(t, deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails"}))
	err = deleteQueue(t, c, &v1.DeleteQueueRequest{Queue: "mails"})
	require.Equal(t, connect.CodeNotFound, connect.CodeOf(err), "%v", err)
}

func TestASubscriptionToADeletedQueueEnds(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	q.put(t, mailsOf(1)...)
	worker := q.as(operatorToken)
	box, cancel := subscribed(t, worker, "mails", 2)
	defer cancel()
	lease := box.next().GetLeaseId()
	require.NoError(t, deleteQueue(t, q.admin(adminToken), &v1.DeleteQueueRequest{Queue: "mails", WithTasks: true}))
	require.False(t, box.stream.Receive())
	assert.Equal(t, connect.CodeUnavailable, connect.CodeOf(box.stream.Err()), "%v", box.stream.Err())
	done, err := worker.Complete(soonEnough(t), &v1.CompleteRequest{Tasks: []*v1.CompletedTask{{LeaseId: lease}}})
	require.NoError(t, err)
	assert.NotEmpty(t, done.GetOutcomes()[0].GetError().GetCode(), "its task is gone")
	_, err = worker.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "mails"})
	assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err), "%v", err)
}

func TestAQueueThatIsDeletedDuringACallIsLeftOut(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	stop, stopped := make(chan struct{}), make(chan error, 1)
	p := memory.New()
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := errors.Join(q.m.Open(t.Context(), p, runtime.QueueConfig{Name: "brief"}), q.m.Delete(t.Context(), "brief")); err != nil {
				stopped <- err
				return
			}
		}
	}()
	admin, monitor := q.admin(adminToken), connectv1.NewQueueMonitoringServiceClient(q.http, q.url, connect.WithInterceptors(queueToken(viewerToken)))
	for range 100 {
		_, err := admin.ListQueues(soonEnough(t), &v1.ListQueuesRequest{})
		require.NoError(t, err)
		_, err = monitor.GetQueueStats(soonEnough(t), &v1.GetQueueStatsRequest{})
		require.NoError(t, err)
		_, err = monitor.GetClusterInfo(soonEnough(t), &v1.GetClusterInfoRequest{})
		require.NoError(t, err)
	}
	close(stop)
	require.NoError(t, <-stopped)
	require.NoError(t, p.Close())
}
