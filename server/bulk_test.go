package server_test

import (
	"context"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

func redrive(t *testing.T, c connectv1.QueueAdminServiceClient, r *v1.RedriveDeadLettersRequest) *v1.BulkJob {
	t.Helper()
	r.Queue = "mails"
	res, err := c.RedriveDeadLetters(soonEnough(t), r)
	require.NoError(t, err)
	return res.GetJob()
}

// TestARedriveThatIsCancelledAndResumedMovesEachOnce is on a real server, with more dead letters
// than any call takes.
func TestARedriveThatIsCancelledAndResumedMovesEachOnce(t *testing.T) {
	const all = 5000
	q := serveAdmin(t, onRedis(t))
	q.bury(t, all)
	c := q.admin(operatorToken, connect.WithGRPC())
	job := redrive(t, c, &v1.RedriveDeadLettersRequest{Options: &v1.BulkOptions{Rate: 4000, Reason: "the server is back"}})
	half := watched(t, c, job.GetId(), func(j *v1.BulkJob) bool { return j.GetDone() >= all/2 })
	require.Equal(t, int64(all), half.GetTotal())
	cancelled, err := c.CancelBulkJob(soonEnough(t), &v1.CancelBulkJobRequest{Id: job.GetId(), Reason: "too fast"})
	require.NoError(t, err)
	done := cancelled.GetJob().GetDone()
	require.Equal(t, v1.BulkState_BULK_STATE_CANCELLED, cancelled.GetJob().GetState())
	require.Less(t, done, int64(all))
	assert.Equal(t, driver.Stats{Ready: done, Dead: all - done}, q.statsOf(t, "mails"), "it has stopped")

	_, err = c.ResumeBulkJob(soonEnough(t), &v1.ResumeBulkJobRequest{Id: job.GetId()})
	require.NoError(t, err)
	end := finished(t, c, job.GetId())
	assert.Equal(t, v1.BulkState_BULK_STATE_DONE, end.GetState())
	assert.Equal(t, []int64{all, all, 0, 0}, []int64{end.GetTotal(), end.GetDone(), end.GetFailed(), end.GetSkipped()})
	assert.Equal(t, driver.Stats{Ready: all}, q.statsOf(t, "mails"))
	for id, task := range q.takeAll(t, "mails", all) {
		require.Equal(t, "1", task.Metadata[driver.MetaRedriveCount], id)
	}
	assert.Equal(t, driver.Stats{}, q.statsOf(t, "mails"))
}

func TestABulkJobMovesWhatMatches(t *testing.T) {
	admins(t, func(t *testing.T, q *queueServer, c connectv1.QueueAdminServiceClient) {
		q.bury(t, 9)
		would := finished(t, c, redrive(t, c, &v1.RedriveDeadLettersRequest{Filter: "error~timeout", Options: &v1.BulkOptions{DryRun: true}}).GetId())
		assert.Equal(t, []int64{3, 3}, []int64{would.GetTotal(), would.GetDone()})
		assert.Equal(t, []string{"m0000", "m0003", "m0006"}, would.GetExamples())
		assert.Equal(t, driver.Stats{Dead: 9}, q.statsOf(t, "mails"), "a dry run moves none")

		did := finished(t, c, redrive(t, c, &v1.RedriveDeadLettersRequest{Filter: "error~timeout", Options: &v1.BulkOptions{Reason: "why not"}}).GetId())
		assert.Equal(t, v1.BulkState_BULK_STATE_DONE, did.GetState())
		assert.Equal(t, []any{int64(3), "ops", "why not"}, []any{did.GetDone(), did.GetCaller(), did.GetReason()})
		assert.Equal(t, driver.Stats{Ready: 3, Dead: 6}, q.statsOf(t, "mails"))

		letter, err := c.GetDeadLetter(soonEnough(t), &v1.GetDeadLetterRequest{Queue: "mails", Id: "m0001"})
		require.NoError(t, err)
		some := finished(t, c, redrive(t, c, &v1.RedriveDeadLettersRequest{Ids: []string{letter.GetLetter().GetRef(), "m0002", "nobody"}}).GetId())
		assert.Equal(t, []int64{3, 2, 1}, []int64{some.GetTotal(), some.GetDone(), some.GetFailed()})
		require.Len(t, some.GetErrors(), 1)
		assert.Equal(t, []string{"nobody", "not_found"}, []string{some.GetErrors()[0].GetId(), some.GetErrors()[0].GetError().GetCode()})

		gone, err := c.DiscardDeadLetters(soonEnough(t), &v1.DiscardDeadLettersRequest{Queue: "mails", Filter: "id:m0004,m0005"})
		require.NoError(t, err)
		assert.Equal(t, int64(2), finished(t, c, gone.GetJob().GetId()).GetDone())
		off, err := c.CancelTasks(soonEnough(t), &v1.CancelTasksRequest{Queue: "mails", Filter: "-id:m0000"})
		require.NoError(t, err)
		assert.Equal(t, int64(4), finished(t, c, off.GetJob().GetId()).GetDone())
		assert.Equal(t, driver.Stats{Ready: 1, Dead: 2}, q.statsOf(t, "mails"))

		list, err := c.ListBulkJobs(soonEnough(t), &v1.ListBulkJobsRequest{})
		require.NoError(t, err)
		require.Len(t, list.GetJobs(), 5)
		assert.Equal(t, off.GetJob().GetId(), list.GetJobs()[0].GetId(), "the newest first")
		got, err := c.GetBulkJob(soonEnough(t), &v1.GetBulkJobRequest{Id: did.GetId()})
		require.NoError(t, err)
		assert.Equal(t, compact(did), compact(got.GetJob()))
	})
}

func TestALetterWhoseTaskIsBackStaysAndIsCounted(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	q.bury(t, 3)
	q.put(t, mailsOf(1)...)
	c := q.admin(operatorToken)
	job := finished(t, c, redrive(t, c, &v1.RedriveDeadLettersRequest{}).GetId())
	assert.Equal(t, v1.BulkState_BULK_STATE_DONE, job.GetState())
	assert.Equal(t, []int64{3, 2, 1, 0}, []int64{job.GetTotal(), job.GetDone(), job.GetFailed(), job.GetSkipped()})
	require.Len(t, job.GetErrors(), 1)
	assert.Equal(t, []string{"m0000", "already_exists"}, []string{job.GetErrors()[0].GetId(), job.GetErrors()[0].GetError().GetCode()})
}

func TestOnlyAnAdminResumesWhatOnlyAnAdminMayBegin(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	q.bury(t, 20)
	res, err := q.admin(adminToken).DiscardDeadLetters(soonEnough(t), &v1.DiscardDeadLettersRequest{Queue: "mails", Options: &v1.BulkOptions{Rate: 1}})
	require.NoError(t, err)
	id := res.GetJob().GetId()
	_, err = q.admin(operatorToken).CancelBulkJob(soonEnough(t), &v1.CancelBulkJobRequest{Id: id})
	require.NoError(t, err, "to stop something is safe")
	_, err = q.admin(operatorToken).ResumeBulkJob(soonEnough(t), &v1.ResumeBulkJobRequest{Id: id})
	assert.Equal(t, connect.CodePermissionDenied, connect.CodeOf(err))
	_, err = q.admin(adminToken).ResumeBulkJob(soonEnough(t), &v1.ResumeBulkJobRequest{Id: id})
	require.NoError(t, err)
	_, err = q.admin(adminToken).ResumeBulkJob(soonEnough(t), &v1.ResumeBulkJobRequest{Id: id})
	assert.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(err), "it runs")
}

// A job goes on without its caller, and ends with the server. No more than four run.
func TestBulkJobsEndWithTheServer(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	q.bury(t, 50)
	ctx, leave := context.WithCancel(soonEnough(t))
	c := q.admin(operatorToken)
	var ids []string
	for range 4 {
		res, err := c.RedriveDeadLetters(ctx, &v1.RedriveDeadLettersRequest{Queue: "mails", Options: &v1.BulkOptions{Rate: 0.001}})
		require.NoError(t, err)
		ids = append(ids, res.GetJob().GetId())
	}
	leave()
	_, err := c.RedriveDeadLetters(soonEnough(t), &v1.RedriveDeadLettersRequest{Queue: "mails"})
	require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err))
	began := watched(t, c, ids[0], func(j *v1.BulkJob) bool { return j.GetDone() == 1 || j.GetSkipped() == 1 })
	assert.Equal(t, v1.BulkState_BULK_STATE_RUNNING, began.GetState())
	_, err = c.CancelBulkJob(soonEnough(t), &v1.CancelBulkJobRequest{Id: ids[3]})
	require.NoError(t, err)
	redrive(t, c, &v1.RedriveDeadLettersRequest{Options: &v1.BulkOptions{DryRun: true}})
	require.NoError(t, q.Close(), "which waits for the jobs; goleak looks for what is left")
}

// A faultyQueue fails the redrives that fail counts.
type faultyQueue struct {
	memoryQueue
	p *faultyProvider
}

type faultyProvider struct {
	*memory.Provider
	fails int
}

// memoryQueue is what a queue in memory can do that bulk jobs need.
type memoryQueue interface {
	driver.Queue
	driver.Browser
	driver.Finder
	driver.Redriver
}

func (p *faultyProvider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &faultyQueue{q.(memoryQueue), p}, nil
}

// RedriveDeaths carries the first redrive out and loses its answer.
func (q *faultyQueue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	moved, err := q.memoryQueue.RedriveDeaths(ctx, deaths, edits)
	if q.p.fails--; q.p.fails >= 0 {
		return nil, fmt.Errorf("%w: the answer is lost", driver.ErrUnavailable)
	}
	return moved, err
}

func TestAJobThatHasFailedIsResumedWhereItWas(t *testing.T) {
	p := &faultyProvider{Provider: memory.New(), fails: 1}
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	q := serveAdmin(t, queueStore{p, memory.NewResults()})
	q.bury(t, 150)
	c := q.admin(operatorToken)
	job := finished(t, c, redrive(t, c, &v1.RedriveDeadLettersRequest{}).GetId())
	require.Equal(t, v1.BulkState_BULK_STATE_FAILED, job.GetState())
	assert.Equal(t, "unavailable", job.GetError().GetCode())
	assert.NotNil(t, job.GetEndedAt())
	_, err := c.ResumeBulkJob(soonEnough(t), &v1.ResumeBulkJobRequest{Id: job.GetId()})
	require.NoError(t, err)
	job = finished(t, c, job.GetId())
	assert.Equal(t, v1.BulkState_BULK_STATE_DONE, job.GetState())
	assert.Equal(t, []int64{150, 50, 0, 100}, []int64{job.GetTotal(), job.GetDone(), job.GetFailed(), job.GetSkipped()}, "a hundred are back already")
	assert.Len(t, q.takeAll(t, "mails", 150), 150)
}

func TestWhatABulkJobIsAskedIsChecked(t *testing.T) {
	q := serveAdmin(t, inMemory(t))
	c := q.admin(adminToken)
	for name, want := range map[string]connect.Code{"nowhere": connect.CodeNotFound, "mails": connect.CodeInvalidArgument} {
		_, err := c.RedriveDeadLetters(soonEnough(t), &v1.RedriveDeadLettersRequest{Queue: name, Filter: "typ:x"})
		assert.Equal(t, want, connect.CodeOf(err), name)
		_, err = c.DiscardDeadLetters(soonEnough(t), &v1.DiscardDeadLettersRequest{Queue: name, Filter: "typ:x"})
		assert.Equal(t, want, connect.CodeOf(err), name)
		_, err = c.CancelTasks(soonEnough(t), &v1.CancelTasksRequest{Queue: name, Filter: "typ:x"})
		assert.Equal(t, want, connect.CodeOf(err), name)
	}
	_, err := c.DiscardDeadLetters(soonEnough(t), &v1.DiscardDeadLettersRequest{Queue: "mails", Filter: "x", Ids: []string{"a"}})
	assert.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	for _, err := range []error{
		func() error { _, err := c.GetBulkJob(soonEnough(t), &v1.GetBulkJobRequest{Id: "none"}); return err }(),
		func() error {
			_, err := c.CancelBulkJob(soonEnough(t), &v1.CancelBulkJobRequest{Id: "none"})
			return err
		}(),
		func() error {
			_, err := c.ResumeBulkJob(soonEnough(t), &v1.ResumeBulkJobRequest{Id: "none"})
			return err
		}(),
	} {
		assert.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
	}
}
