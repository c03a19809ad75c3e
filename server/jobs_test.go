package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// eachJobServer runs a test by each protocol on each store.
func eachJobServer(t *testing.T, test func(t *testing.T, s jobServer)) {
	t.Helper()
	for protocol, opts := range jobProtocols {
		for name, store := range jobStores(t) {
			t.Run(protocol+" "+name, func(t *testing.T) { test(t, serveStore(t, store, nil, opts...)) })
		}
	}
}

// status is a job with n of its next times. It holds no secret.
func (s jobServer) status(t *testing.T, id string, n int32) *v1.Job {
	t.Helper()
	res, err := s.GetJobStatus(jobWithin(t), &v1.GetJobStatusRequest{Id: id, Upcoming: n})
	require.NoError(t, err)
	require.NotContains(t, res.String(), jobCanary)
	return res.GetJob()
}

func (s jobServer) schedule(t *testing.T, r *v1.ScheduleJobRequest) string {
	t.Helper()
	res, err := s.ScheduleJob(jobWithin(t), r)
	require.NoError(t, err)
	return res.GetId()
}

func TestAJobThatWasScheduledIsShownWholeAndWithoutItsSecrets(t *testing.T) {
	eachJobServer(t, func(t *testing.T, s jobServer) {
		task := aReport("ada")
		task.Queue, task.Priority, task.MaxRetries, task.Timeout = "urgent", proto.Int32(2), proto.Int32(5), durationpb.New(time.Minute)
		task.Metadata = map[string]string{"tenant": "7"}
		before := time.Now().Truncate(time.Second)
		id := s.schedule(t, &v1.ScheduleJobRequest{
			Id: "weekly", When: byCron("30 7 * * mon", "Europe/Berlin"), Task: task, Overlap: v1.Overlap_OVERLAP_SKIP,
			Missed: v1.Missed_MISSED_FIRE_ALL, MaxMissed: 7, Jitter: durationpb.New(time.Minute),
		})
		require.Equal(t, "weekly", id)

		job := s.status(t, id, 3)
		assert.True(t, proto.Equal(byCron("30 7 * * mon", "Europe/Berlin"), job.GetWhen()), job.GetWhen())
		assert.Equal(t, v1.Overlap_OVERLAP_SKIP, job.GetOverlap())
		assert.Equal(t, v1.Missed_MISSED_FIRE_ALL, job.GetMissed())
		assert.EqualValues(t, 7, job.GetMaxMissed())
		assert.Equal(t, time.Minute, job.GetJitter().AsDuration())
		assert.Equal(t, v1.JobState_JOB_STATE_SCHEDULED, job.GetState())
		assert.False(t, job.GetPaused())
		assert.Nil(t, job.GetLast())
		assert.Empty(t, job.GetError())
		assert.False(t, job.GetCreatedAt().AsTime().Before(before))
		shown := job.GetTask()
		assert.JSONEq(t, `{"reader":"ada","token":"`+runtime.Redacted+`"}`, shown.GetPayload())
		assert.Equal(t, []any{"report", "0123456789ab", "urgent", int32(2), int32(5), time.Minute}, []any{shown.GetType(), shown.GetShape(), shown.GetQueue(), shown.GetPriority(), shown.GetMaxRetries(), shown.GetTimeout().AsDuration()})
		assert.Equal(t, map[string]string{"tenant": "7"}, shown.GetMetadata())
		assert.Empty(t, shown.GetId(), "each firing has an ID of its own")
		assert.Nil(t, shown.GetDueAt())

		require.Len(t, job.GetUpcoming(), 3)
		assert.True(t, proto.Equal(job.GetNext(), job.GetUpcoming()[0]))
		berlin, err := time.LoadLocation("Europe/Berlin")
		require.NoError(t, err)
		for _, at := range job.GetUpcoming() {
			assert.Equal(t, "Mon 07:30", at.AsTime().In(berlin).Format("Mon 15:04"), "the jitter is less than a minute")
		}
		assert.Empty(t, s.status(t, id, 0).GetUpcoming())
	})
}

func TestAJobIsDueAtTheTimeThatItWasGiven(t *testing.T) {
	s := serveStore(t, memory.NewJobs(), nil, connect.WithGRPC())
	at := time.Date(2090, 1, 2, 3, 4, 5, 6000, time.UTC)
	for name, c := range map[string]struct {
		when, shown *v1.When
		from, to    time.Time
		upcoming    int
	}{
		"at":          {&v1.When{When: &v1.When_At{At: timestamppb.New(at)}}, nil, at, at, 0},
		"in":          {&v1.When{When: &v1.When_In{In: durationpb.New(time.Hour)}}, nil, time.Now().Add(time.Hour), time.Now().Add(2 * time.Hour), 0},
		"in no time":  {&v1.When{When: &v1.When_In{In: &durationpb.Duration{}}}, nil, time.Now().Add(-time.Minute), time.Now().Add(time.Minute), 0},
		"every":       {&v1.When{When: &v1.When_Every{Every: durationpb.New(time.Hour)}}, nil, time.Now().Add(time.Hour), time.Now().Add(2 * time.Hour), 5},
		"cron in UTC": {byCron("@every 1h", ""), nil, time.Now(), time.Now().Add(2 * time.Hour), 5},
	} {
		id := s.schedule(t, &v1.ScheduleJobRequest{When: c.when, Task: aReport("ada")})
		require.NotEmpty(t, id, name)
		job := s.status(t, id, 5)
		next := job.GetNext().AsTime()
		assert.False(t, next.Before(c.from.Add(-time.Second)) || next.After(c.to.Add(time.Second)), "%s: %s", name, next)
		assert.Len(t, job.GetUpcoming(), c.upcoming, name)
		assert.Equal(t, v1.Overlap_OVERLAP_ALLOW, job.GetOverlap(), name)
		assert.Equal(t, v1.Missed_MISSED_FIRE_ONCE, job.GetMissed(), name)
		if c.upcoming > 0 {
			assert.True(t, proto.Equal(c.when, job.GetWhen()), name)
		} else {
			assert.True(t, next.Equal(job.GetWhen().GetAt().AsTime()), "%s: a delay becomes a time", name)
		}
	}
}

func TestModifyJobKeepsWhatTheRequestLeavesOut(t *testing.T) {
	eachJobServer(t, func(t *testing.T, s jobServer) {
		ctx := jobWithin(t)
		id := s.schedule(t, &v1.ScheduleJobRequest{
			When: byCron("@daily", ""), Task: aReport("ada"), Overlap: v1.Overlap_OVERLAP_SKIP, Missed: v1.Missed_MISSED_FIRE_ALL, MaxMissed: 7,
			Jitter: durationpb.New(time.Minute),
		})
		// want is the job after each change but for the times of the change.
		want := s.status(t, id, 2)
		change := func(r *v1.ModifyJobRequest, then func(want *v1.Job)) {
			t.Helper()
			r.Id = id
			_, err := s.ModifyJob(ctx, r)
			require.NoError(t, err)
			got := s.status(t, id, 2)
			then(want)
			want.UpdatedAt = got.GetUpdatedAt()
			if r.When != nil || r.Jitter != nil {
				want.Next, want.Upcoming = got.GetNext(), got.GetUpcoming()
			}
			if r.Task != nil {
				want.Task.CreatedAt = got.GetTask().GetCreatedAt()
			}
			assert.True(t, proto.Equal(want, got), "want %s\ngot  %s", want, got)
		}
		change(&v1.ModifyJobRequest{Reason: "nothing"}, func(*v1.Job) {})
		change(&v1.ModifyJobRequest{Task: aReport("bob")}, func(want *v1.Job) { want.Task.Payload = `{"reader":"bob","token":"` + runtime.Redacted + `"}` })
		change(&v1.ModifyJobRequest{Overlap: v1.Overlap_OVERLAP_ALLOW}, func(want *v1.Job) { want.Overlap = v1.Overlap_OVERLAP_ALLOW })
		change(&v1.ModifyJobRequest{MaxMissed: 9}, func(want *v1.Job) { want.MaxMissed = 9 })
		change(&v1.ModifyJobRequest{Missed: v1.Missed_MISSED_FIRE_NONE}, func(want *v1.Job) { want.Missed = v1.Missed_MISSED_FIRE_NONE })
		change(&v1.ModifyJobRequest{Jitter: &durationpb.Duration{}}, func(want *v1.Job) { want.Jitter = nil })
		change(&v1.ModifyJobRequest{When: byCron("@hourly", "")}, func(want *v1.Job) { want.When = byCron("@hourly", "") })
	})
}

func TestAPausedJobIsNotDueUntilItIsResumed(t *testing.T) {
	eachJobServer(t, func(t *testing.T, s jobServer) {
		ctx := jobWithin(t)
		id := s.schedule(t, &v1.ScheduleJobRequest{When: byCron("@daily", ""), Task: aReport("ada")})
		_, err := s.PauseJob(ctx, &v1.PauseJobRequest{Id: id, Reason: "holidays"})
		require.NoError(t, err)
		assert.True(t, s.status(t, id, 0).GetPaused())
		_, err = s.ResumeJob(ctx, &v1.ResumeJobRequest{Id: id})
		require.NoError(t, err)
		assert.False(t, s.status(t, id, 0).GetPaused())
		_, err = s.CancelJob(ctx, &v1.CancelJobRequest{Id: id})
		require.NoError(t, err)
		job := s.status(t, id, 5)
		assert.Equal(t, v1.JobState_JOB_STATE_CANCELLED, job.GetState())
		assert.Nil(t, job.GetNext())
		assert.Empty(t, job.GetUpcoming())
		_, err = s.CancelJob(ctx, &v1.CancelJobRequest{Id: id})
		require.NoError(t, err, "a second cancellation changes nothing")
	})
}

func TestRunNowEnqueuesTheTaskAndReturnsItsID(t *testing.T) {
	eachJobServer(t, func(t *testing.T, s jobServer) {
		ctx := jobWithin(t)
		id := s.schedule(t, &v1.ScheduleJobRequest{When: byCron("@daily", ""), Task: aReport("ada"), Overlap: v1.Overlap_OVERLAP_SKIP})
		res, err := s.RunNow(ctx, &v1.RunNowRequest{Id: id})
		require.NoError(t, err)
		job := s.status(t, id, 0)
		assert.EqualValues(t, 1, job.GetFired())
		assert.Equal(t, res.GetTaskId(), job.GetLast().GetTaskId())
		assert.Equal(t, v1.JobState_JOB_STATE_ENQUEUED, job.GetLast().GetState())
		assert.NotNil(t, job.GetLast().GetDueAt())

		_, err = s.RunNow(ctx, &v1.RunNowRequest{Id: id})
		require.Equal(t, connect.CodeAlreadyExists, connect.CodeOf(err), "its task is not done: %v", err)
		require.ErrorContains(t, err, res.GetTaskId())

		got := make(chan report, 1)
		r := runtime.NewRouter()
		runtime.Register(r, reportSpec, func(_ context.Context, p report) error { got <- p; return nil })
		pool, err := runtime.NewPool(s.m, r, runtime.PoolConfig{})
		require.NoError(t, err)
		_, err = pool.Drain(ctx)
		require.NoError(t, err)
		assert.Equal(t, report{"ada", jobCanary}, <-got, "the handler gets the whole payload")
	})
}

func TestJobsAreListedByPageAndChosen(t *testing.T) {
	eachJobServer(t, func(t *testing.T, s jobServer) {
		ctx := jobWithin(t)
		for _, id := range []string{"a", "b", "c"} {
			task := aReport("ada")
			if id == "b" {
				task.Queue = "urgent"
			}
			s.schedule(t, &v1.ScheduleJobRequest{Id: id, When: byCron("@daily", ""), Task: task})
		}
		_, err := s.s.Schedule(ctx, schedule.Job{ID: "d", Owner: "billing", When: schedule.Every(time.Hour), Task: &runtime.Task{Type: "bill", Queue: "reports", Payload: []byte(`"` + jobCanary + `"`)}})
		require.NoError(t, err)
		_, err = s.CancelJob(ctx, &v1.CancelJobRequest{Id: "c"})
		require.NoError(t, err)
		list := func(r *v1.ListJobsRequest) (ids []string, next string) {
			t.Helper()
			res, err := s.ListJobs(ctx, r)
			require.NoError(t, err)
			require.NotContains(t, res.String(), jobCanary)
			for _, j := range res.GetJobs() {
				ids = append(ids, j.GetId())
			}
			return ids, res.GetNextCursor()
		}
		for about, c := range map[string]struct {
			r    *v1.ListJobsRequest
			want []string
		}{
			"all":       {&v1.ListJobsRequest{}, []string{"a", "b", "c", "d"}},
			"an owner":  {&v1.ListJobsRequest{Owner: "billing"}, []string{"d"}},
			"a type":    {&v1.ListJobsRequest{Type: "report"}, []string{"a", "b", "c"}},
			"a queue":   {&v1.ListJobsRequest{Queue: "urgent"}, []string{"b"}},
			"a state":   {&v1.ListJobsRequest{State: v1.JobState_JOB_STATE_CANCELLED}, []string{"c"}},
			"no job":    {&v1.ListJobsRequest{Owner: "nobody"}, nil},
			"from b on": {&v1.ListJobsRequest{Cursor: "b"}, []string{"c", "d"}},
		} {
			ids, next := list(c.r)
			assert.Equal(t, c.want, ids, about)
			assert.Empty(t, next, about)
		}
		first, next := list(&v1.ListJobsRequest{Limit: 3})
		require.Equal(t, []string{"a", "b", "c"}, first)
		second, next := list(&v1.ListJobsRequest{Limit: 3, Cursor: next})
		assert.Equal(t, []string{"d"}, second)
		assert.Empty(t, next)
		assert.Equal(t, "null", s.status(t, "d", 0).GetTask().GetPayload(), "the server does not know the type, nor its secrets")
	})
}

func TestAnAliasOfATypeMakesItsTask(t *testing.T) {
	s := serveStore(t, memory.NewJobs(), nil, connect.WithGRPC())
	id := s.schedule(t, &v1.ScheduleJobRequest{When: byCron("@daily", ""), Task: &v1.NewTask{Type: "old-report", Payload: `{"reader":"ada"}`}})
	assert.Equal(t, "report", s.status(t, id, 0).GetTask().GetType())
}

func TestAPayloadThatIsSealedInTheStoreIsShownRedacted(t *testing.T) {
	for name, store := range jobStores(t) {
		t.Run(name, func(t *testing.T) {
			ring, err := encrypt.NewKeyRing("k", map[string][]byte{"k": bytes.Repeat([]byte{7}, encrypt.KeySize)})
			require.NoError(t, err)
			s := serveStore(t, store, ring, connect.WithGRPC())
			id := s.schedule(t, &v1.ScheduleJobRequest{When: byCron("@daily", ""), Task: aReport("ada")})
			e, err := store.Get(jobWithin(t), schedule.JobID(id))
			require.NoError(t, err)
			require.NotContains(t, string(e.Task.Payload), "ada", "it lies in the store in clear")
			var shown report
			require.NoError(t, json.Unmarshal([]byte(s.status(t, id, 0).GetTask().GetPayload()), &shown))
			assert.Equal(t, report{"ada", runtime.Redacted}, shown)

			without := serveStore(t, store, nil, connect.WithGRPC())
			job := without.status(t, id, 0)
			assert.Equal(t, "null", job.GetTask().GetPayload(), "a server without the key ring")
			assert.Contains(t, job.GetError(), "nothing to unseal it with")
		})
	}
}
