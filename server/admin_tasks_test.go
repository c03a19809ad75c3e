package server_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/server"
)

func TestATaskThatWaitsIsCancelledOrRescheduled(t *testing.T) {
	admins(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		q.put(t, mailsOf(3)...)
		later := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
		moved, err := c.RescheduleTask(soonEnough(t), &v1.RescheduleTaskRequest{Id: "m0001", DueAt: timestamppb.New(later), Reason: "not before lunch"})
		require.NoError(t, err)
		assert.Equal(t, "mails", moved.GetQueue())
		assert.True(t, later.Equal(moved.GetDueAt().AsTime()))
		assert.Equal(t, driver.Stats{Ready: 2, Scheduled: 1}, q.statsOf(t, "mails"))

		res, err := c.CancelTask(soonEnough(t), &v1.CancelTaskRequest{Id: "m0000", Reason: "a typo"})
		require.NoError(t, err)
		assert.True(t, res.GetRemoved())
		res, err = c.CancelTask(soonEnough(t), &v1.CancelTaskRequest{Id: "m0001"})
		require.NoError(t, err)
		assert.True(t, res.GetRemoved())
		_, err = c.CancelTask(soonEnough(t), &v1.CancelTaskRequest{Id: "m0000"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
		_, err = c.RescheduleTask(soonEnough(t), &v1.RescheduleTaskRequest{Id: "m0000"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
		q.takeAll(t, "mails", 1)
		assert.Equal(t, driver.Stats{}, q.statsOf(t, "mails"))
	})
}

// In JSON no such time can be sent.
func TestATimeThatIsNoneIsRefused(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	q.put(t, mailsOf(1)...)
	_, err := q.admin(operatorToken, connect.WithGRPC()).RescheduleTask(soonEnough(t), &v1.RescheduleTaskRequest{Id: "m0000", DueAt: &timestamppb.Timestamp{Nanos: -1}})
	assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	assert.Equal(t, driver.Stats{Ready: 1}, q.statsOf(t, "mails"))
}

func TestWhatIsOverIsNeitherCancelledNorRescheduled(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	q.bury(t, 1)
	c := q.admin(operatorToken)
	_, err := c.CancelTask(soonEnough(t), &v1.CancelTaskRequest{Id: "m0000"})
	assert.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(err))
	assert.ErrorContains(t, err, "discard")
	_, err = c.RescheduleTask(soonEnough(t), &v1.RescheduleTaskRequest{Id: "m0000"})
	assert.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(err))
}

func TestATaskThatAWorkerOfTheAPIHasIsTakenFromIt(t *testing.T) {
	admins(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		q.put(t, mailsOf(1)...)
		worker := q.as(operatorToken)
		lease := dequeued(t, worker, "mails").GetLeaseId()
		res, err := c.CancelTask(soonEnough(t), &v1.CancelTaskRequest{Id: "m0000", Reason: "it hangs"})
		require.NoError(t, err)
		assert.True(t, res.GetRemoved())
		assert.Equal(t, driver.Stats{}, q.statsOf(t, "mails"))
		late, err := worker.Fail(soonEnough(t), &v1.FailRequest{Tasks: []*v1.FailedTask{{LeaseId: lease, Error: "too late"}}})
		require.NoError(t, err)
		assert.Equal(t, "aborted", late.GetOutcomes()[0].GetError().GetCode())
		assert.Equal(t, driver.Stats{}, q.statsOf(t, "mails"), "it is not tried again")
		awaited, err := worker.AwaitResult(soonEnough(t), &v1.AwaitResultRequest{Id: "m0000"})
		require.NoError(t, err)
		assert.Equal(t, []any{v1.TaskState_TASK_STATE_DEAD, driver.ErrCancelled.Error()}, []any{awaited.GetState(), awaited.GetFailure()})
	})
}

// listTasks reads all pages of a list, of so many tasks each.
func listTasks(t *testing.T, c connectv1.QueueAdminServiceClient, filter string, limit int32) (ids []string, pages int) {
	t.Helper()
	for cursor := ""; ; {
		res, err := c.ListTasks(soonEnough(t), &v1.ListTasksRequest{Queue: "mails", Filter: filter, Cursor: cursor, Limit: limit})
		require.NoError(t, err)
		for _, task := range res.GetTasks() {
			ids = append(ids, task.GetTask().GetId()+" "+task.GetState().String()[len("TASK_STATE_"):])
		}
		pages++
		if cursor = res.GetNextCursor(); cursor == "" {
			return ids, pages
		}
	}
}

func TestTasksAreListedByAFilter(t *testing.T) {
	admins(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		q.bury(t, 1)
		tasks := mailsOf(7)[1:]
		tasks[5].ScheduledFor = time.Now().Add(time.Hour)
		q.put(t, tasks...)
		queue, err := q.m.Queue("mails")
		require.NoError(t, err)
		_, err = queue.Dequeue(soonEnough(t), 2, time.Minute)
		require.NoError(t, err)
		for filter, want := range map[string][]string{
			"":                      {"m0003 READY", "m0004 READY", "m0005 READY", "m0006 SCHEDULED", "m0001 LEASED", "m0002 LEASED"},
			"-state:ready":          {"m0006 SCHEDULED", "m0001 LEASED", "m0002 LEASED"},
			"state:leased,dead":     {"m0001 LEASED", "m0002 LEASED", "m0000 DEAD"},
			"state:dead error~TIME": {"m0000 DEAD"},
			"state:dead error~full": nil,
			"m0004@example":         {"m0004 READY"},
			"due>10m":               {"m0006 SCHEDULED"},
			"age>1h":                nil,
			"meta.tenant:acme id~5": {"m0005 READY"},
			"payload~" + mailCanary: nil,
			mailCanary:              nil,
			"type:mail,sms max_retries:2 retries:0 -id~000": nil,
		} {
			ids, _ := listTasks(t, c, filter, 0)
			assert.Equal(t, want, ids, filter)
			in2, pages := listTasks(t, c, filter, 2)
			assert.Equal(t, want, in2, filter)
			assert.GreaterOrEqual(t, pages, (len(want)+1)/2)
		}
		for _, cursor := range []string{"x", "ready", "dead:", "done:1"} {
			_, err := c.ListTasks(soonEnough(t), &v1.ListTasksRequest{Queue: "mails", Cursor: cursor})
			assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), cursor)
		}
		_, err = c.ListTasks(soonEnough(t), &v1.ListTasksRequest{Queue: "mails", Filter: "stat:ready"})
		assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
		assert.ErrorContains(t, err, `column 1: there is no field "stat": did you mean "state"?`)
	})
}

// An answer ends after so much reading, and the next one goes on there.
func TestAListReadsABoundedNumberOfTasksForAnAnswer(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	q.put(t, mailsOf(150)...)
	c := q.admin(viewerToken)
	res, err := c.ListTasks(soonEnough(t), &v1.ListTasksRequest{Queue: "mails", Filter: "id:m0120", Limit: 1})
	require.NoError(t, err)
	assert.Empty(t, res.GetTasks())
	assert.NotEmpty(t, res.GetNextCursor())
	ids, pages := listTasks(t, c, "id:m0120", 1)
	assert.Equal(t, []string{"m0120 READY"}, ids)
	assert.Equal(t, 3, pages)
}

// The pool is in a fleet that the server gives orders to.
func TestARunningTaskThatIsCancelledStaysCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := fleet.Config{Logger: slog.New(slog.DiscardHandler)}
		store, p := memory.NewFleet(), memory.New()
		m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{fleet.New(store, silent).Listener()}})
		require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mails"}))
		r, began := runtime.NewRouter(), make(chan string, 10)
		runtime.Register(r, mailSpec, func(ctx context.Context, m mail) error {
			began <- m.To
			<-ctx.Done()
			return context.Cause(ctx)
		})
		pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: "w-1", Logger: silent.Logger})
		require.NoError(t, err)
		require.NoError(t, pool.Start(t.Context()))
		s, err := server.New(server.Config{Manager: m, Types: []server.Type{mailSpec}, Fleet: fleet.New(store, silent), Audit: func(server.AuditRecord) {}})
		require.NoError(t, err)
		pipe := &pipe{t, s.Handler()}
		c := connectv1.NewQueueAdminServiceClient(pipe, "http://localhost", connect.WithProtoJSON())

		_, err = runtime.Enqueue(t.Context(), m, mailSpec, &mail{To: "ada"}, runtime.WithID("long"))
		require.NoError(t, err)
		assert.Equal(t, "ada", <-began)
		time.Sleep(2 * fleet.Interval) // a heartbeat says what runs
		res, err := c.CancelTask(t.Context(), &v1.CancelTaskRequest{Id: "long", Reason: "it hangs"})
		require.NoError(t, err)
		assert.False(t, res.GetRemoved())
		assert.Len(t, res.GetWorkerIds(), 1)
		time.Sleep(2 * fleet.Interval) // a heartbeat brings the order
		synctest.Wait()
		time.Sleep(time.Hour) // whatever would be tried again has been
		synctest.Wait()
		assert.Empty(t, began)
		_, err = m.Lookup(t.Context(), "long")
		require.ErrorIs(t, err, driver.ErrTaskNotFound)
		_, err = c.CancelTask(t.Context(), &v1.CancelTaskRequest{Id: "long"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))

		quiet, err := c.QuietWorker(t.Context(), &v1.QuietWorkerRequest{Worker: "w-1", Reason: "a deploy"})
		require.NoError(t, err)
		assert.Equal(t, res.GetWorkerIds()[0], quiet.GetWorkerId())
		time.Sleep(2 * fleet.Interval)
		assert.True(t, pool.IsQuiet())
		_, err = c.ResumeWorker(t.Context(), &v1.ResumeWorkerRequest{Worker: quiet.GetWorkerId()})
		require.NoError(t, err)
		time.Sleep(2 * fleet.Interval)
		assert.False(t, pool.IsQuiet())
		_, err = c.QuietWorker(t.Context(), &v1.QuietWorkerRequest{Worker: "w-2"})
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))

		twin, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: "w-1", Logger: silent.Logger})
		require.NoError(t, err)
		require.NoError(t, twin.Start(t.Context()))
		time.Sleep(2 * fleet.Interval)
		_, err = c.QuietWorker(t.Context(), &v1.QuietWorkerRequest{Worker: "w-1"})
		assert.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(err))
		assert.ErrorContains(t, err, quiet.GetWorkerId())

		queues, err := c.ListQueues(t.Context(), &v1.ListQueuesRequest{})
		require.NoError(t, err)
		assert.Equal(t, int32(2), queues.GetQueues()[0].GetWorkers())
		for _, p := range []*runtime.Pool{pool, twin} {
			require.NoError(t, p.Stop(t.Context()))
		}
		require.NoError(t, s.Close())
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
}

func TestWithoutAFleetThereAreNoWorkersToOrder(t *testing.T) {
	c := serveAdmin(t, inMemory(t)).admin(operatorToken)
	_, err := c.QuietWorker(soonEnough(t), &v1.QuietWorkerRequest{Worker: "w"})
	assert.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err))
}
