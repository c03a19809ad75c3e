package server_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// refused asserts the code of an error, which says more, and holds no secret.
func refused(t *testing.T, err error, code connect.Code, says string) {
	t.Helper()
	require.Error(t, err)
	assert.Equal(t, code, connect.CodeOf(err), err.Error())
	assert.ErrorContains(t, err, says)
	assert.NotContains(t, err.Error(), jobCanary)
}

func TestEachErrorOfAJobHasItsCode(t *testing.T) {
	eachJobServer(t, func(t *testing.T, s jobServer) {
		ctx := jobWithin(t)
		s.schedule(t, &v1.ScheduleJobRequest{Id: "taken", When: byCron("@daily", ""), Task: aReport("ada")})
		s.schedule(t, &v1.ScheduleJobRequest{Id: "ended", When: byCron("@daily", ""), Task: aReport("ada")})
		_, err := s.CancelJob(ctx, &v1.CancelJobRequest{Id: "ended"})
		require.NoError(t, err)

		_, err = s.ScheduleJob(ctx, &v1.ScheduleJobRequest{Id: "taken", When: byCron("@daily", ""), Task: aReport("ada")})
		refused(t, err, connect.CodeAlreadyExists, "taken")
		_, err = s.PauseJob(ctx, &v1.PauseJobRequest{Id: "ended"})
		refused(t, err, connect.CodeFailedPrecondition, "ended")
		_, err = s.ResumeJob(ctx, &v1.ResumeJobRequest{Id: "ended"})
		refused(t, err, connect.CodeFailedPrecondition, "ended")
		_, err = s.ModifyJob(ctx, &v1.ModifyJobRequest{Id: "ended", MaxMissed: 2})
		refused(t, err, connect.CodeFailedPrecondition, "ended")

		for method, call := range map[string]func() error{
			"CancelJob":    func() error { _, err := s.CancelJob(ctx, &v1.CancelJobRequest{Id: "none"}); return err },
			"ModifyJob":    func() error { _, err := s.ModifyJob(ctx, &v1.ModifyJobRequest{Id: "none", MaxMissed: 2}); return err },
			"GetJobStatus": func() error { _, err := s.GetJobStatus(ctx, &v1.GetJobStatusRequest{Id: "none"}); return err },
			"PauseJob":     func() error { _, err := s.PauseJob(ctx, &v1.PauseJobRequest{Id: "none"}); return err },
			"ResumeJob":    func() error { _, err := s.ResumeJob(ctx, &v1.ResumeJobRequest{Id: "none"}); return err },
			"RunNow":       func() error { _, err := s.RunNow(ctx, &v1.RunNowRequest{Id: "none"}); return err },
		} {
			t.Run(method, func(t *testing.T) { refused(t, call(), connect.CodeNotFound, "not found") })
		}
	})
}

// wrongJobs are jobs that neither ScheduleJob nor ModifyJob accepts.
func wrongJobs() map[string]struct {
	r    *v1.ScheduleJobRequest
	code connect.Code
	says string
} {
	daily := byCron("@daily", "")
	with := func(change func(*v1.NewTask)) *v1.ScheduleJobRequest {
		task := aReport("ada")
		change(task)
		return &v1.ScheduleJobRequest{When: daily, Task: task}
	}
	return map[string]struct {
		r    *v1.ScheduleJobRequest
		code connect.Code
		says string
	}{
		"cron":              {&v1.ScheduleJobRequest{When: byCron("61 * * * *", ""), Task: aReport("ada")}, connect.CodeInvalidArgument, "61"},
		"zone":              {&v1.ScheduleJobRequest{When: byCron("@daily", "Mars/Olympus"), Task: aReport("ada")}, connect.CodeInvalidArgument, "Mars/Olympus"},
		"never":             {&v1.ScheduleJobRequest{When: byCron("0 0 30 2 *", ""), Task: aReport("ada")}, connect.CodeInvalidArgument, "never fires"},
		"no value":          {&v1.ScheduleJobRequest{When: &v1.When{}, Task: aReport("ada")}, connect.CodeInvalidArgument, "when"},
		"too often":         {&v1.ScheduleJobRequest{When: &v1.When{When: &v1.When_Every{Every: durationpb.New(time.Microsecond)}}, Task: aReport("ada")}, connect.CodeInvalidArgument, "every"},
		"backwards":         {&v1.ScheduleJobRequest{When: &v1.When{When: &v1.When_In{In: durationpb.New(-time.Second)}}, Task: aReport("ada")}, connect.CodeInvalidArgument, "in"},
		"overlap":           {&v1.ScheduleJobRequest{When: daily, Task: aReport("ada"), Overlap: 9}, connect.CodeInvalidArgument, "overlap"},
		"missed":            {&v1.ScheduleJobRequest{When: daily, Task: aReport("ada"), Missed: 9}, connect.CodeInvalidArgument, "missed"},
		"max missed":        {&v1.ScheduleJobRequest{When: daily, Task: aReport("ada"), MaxMissed: 1 << 30}, connect.CodeInvalidArgument, "1073741824 missed firings"},
		"unknown type":      {with(func(t *v1.NewTask) { t.Type = "raport" }), connect.CodeNotFound, `knows nothing of "raport": it knows report`},
		"schema":            {with(func(t *v1.NewTask) { t.Payload = `{"token":"` + jobCanary + `"}` }), connect.CodeInvalidArgument, "required: reader"},
		"schema of secret":  {with(func(t *v1.NewTask) { t.Payload = `{"reader":"ada","token":"` + jobCanary + jobCanary + `"}` }), connect.CodeInvalidArgument, "/token"},
		"unknown member":    {with(func(t *v1.NewTask) { t.Payload = `{"reader":"ada","` + jobCanary + `":1}` }), connect.CodeInvalidArgument, "the payload of a task of type report"},
		"validation":        {with(func(t *v1.NewTask) { t.Payload = `{"reader":"nobody"}` }), connect.CodeInvalidArgument, "nobody reads reports"},
		"no JSON":           {with(func(t *v1.NewTask) { t.Payload = jobCanary }), connect.CodeInvalidArgument, "invalid payload"},
		"unknown queue":     {with(func(t *v1.NewTask) { t.Queue = "none" }), connect.CodeNotFound, "none"},
		"level":             {with(func(t *v1.NewTask) { t.Queue, t.Priority = "urgent", proto.Int32(5) }), connect.CodeInvalidArgument, "5"},
		"ID":                {with(func(t *v1.NewTask) { t.Id = "x" }), connect.CodeInvalidArgument, "each firing gives it both"},
		"delay":             {with(func(t *v1.NewTask) { t.Delay = durationpb.New(1) }), connect.CodeInvalidArgument, "each firing gives it both"},
		"time":              {with(func(t *v1.NewTask) { t.DueAt = timestamppb.Now() }), connect.CodeInvalidArgument, "each firing gives it both"},
		"runtime's own key": {with(func(t *v1.NewTask) { t.Metadata = map[string]string{"taskgen.job": "x"} }), connect.CodeInvalidArgument, "belong to the runtime"},
	}
}

func TestAWrongJobIsRefusedAndChangesNothing(t *testing.T) {
	eachJobServer(t, func(t *testing.T, s jobServer) {
		ctx := jobWithin(t)
		s.schedule(t, &v1.ScheduleJobRequest{Id: "have", When: byCron("@daily", ""), Task: aReport("ada")})
		have := s.status(t, "have", 1)
		for about, c := range wrongJobs() {
			t.Run(about, func(t *testing.T) {
				_, err := s.ScheduleJob(ctx, c.r)
				refused(t, err, c.code, c.says)
				_, err = s.ModifyJob(ctx, &v1.ModifyJobRequest{Id: "have", When: c.r.When, Task: c.r.Task, Overlap: c.r.Overlap, Missed: c.r.Missed, MaxMissed: c.r.MaxMissed})
				refused(t, err, c.code, c.says)
			})
		}
		assert.True(t, proto.Equal(have, s.status(t, "have", 1)))
		res, err := s.ListJobs(ctx, &v1.ListJobsRequest{})
		require.NoError(t, err)
		assert.Len(t, res.GetJobs(), 1)
	})
}

// JSON has no form for such values.
func TestTimesThatThereAreNotAreRefused(t *testing.T) {
	ctx, s := jobWithin(t), serveStore(t, memory.NewJobs(), nil, connect.WithGRPC())
	for field, w := range map[string]*v1.When{
		"at": {When: &v1.When_At{At: &timestamppb.Timestamp{Seconds: 1 << 50}}}, "in": {When: &v1.When_In{In: &durationpb.Duration{Seconds: 1 << 50}}}, "every": {When: &v1.When_Every{Every: &durationpb.Duration{Seconds: 1 << 50}}},
	} {
		_, err := s.ScheduleJob(ctx, &v1.ScheduleJobRequest{When: w, Task: aReport("ada")})
		refused(t, err, connect.CodeInvalidArgument, "when."+field)
	}
}

func TestAServerWithoutASchedulerSaysWhatToConfigure(t *testing.T) {
	for protocol, opts := range jobProtocols {
		t.Run(protocol, func(t *testing.T) {
			ctx, c := jobWithin(t), serveJobs(t, jobManager(t, nil), nil, opts...)
			for method, call := range map[string]func() error{
				"ScheduleJob": func() error {
					_, err := c.ScheduleJob(ctx, &v1.ScheduleJobRequest{When: byCron("@daily", ""), Task: aReport("ada")})
					return err
				},
				"CancelJob":    func() error { _, err := c.CancelJob(ctx, &v1.CancelJobRequest{Id: "a"}); return err },
				"ModifyJob":    func() error { _, err := c.ModifyJob(ctx, &v1.ModifyJobRequest{Id: "a"}); return err },
				"GetJobStatus": func() error { _, err := c.GetJobStatus(ctx, &v1.GetJobStatusRequest{Id: "a"}); return err },
				"ListJobs":     func() error { _, err := c.ListJobs(ctx, &v1.ListJobsRequest{}); return err },
				"PauseJob":     func() error { _, err := c.PauseJob(ctx, &v1.PauseJobRequest{Id: "a"}); return err },
				"ResumeJob":    func() error { _, err := c.ResumeJob(ctx, &v1.ResumeJobRequest{Id: "a"}); return err },
				"RunNow":       func() error { _, err := c.RunNow(ctx, &v1.RunNowRequest{Id: "a"}); return err },
			} {
				t.Run(method, func(t *testing.T) { refused(t, call(), connect.CodeUnimplemented, "set its Config.Scheduler") })
			}
		})
	}
}

func TestWhatASchedulerWithoutAStoreLacksIsUnimplemented(t *testing.T) {
	m := jobManager(t, nil)
	ctx, c := jobWithin(t), serveJobs(t, m, schedule.OnQueue(m), connect.WithGRPC())
	_, err := c.ScheduleJob(ctx, &v1.ScheduleJobRequest{When: byCron("@daily", ""), Task: aReport("ada")})
	refused(t, err, connect.CodeUnimplemented, "needs a store")
	res, err := c.ScheduleJob(ctx, &v1.ScheduleJobRequest{When: &v1.When{When: &v1.When_In{In: durationpb.New(time.Hour)}}, Task: aReport("ada")})
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(res.GetId(), "reports/"), res.GetId())
}

func TestAJobThatIsUnreadableIsShownAsSuch(t *testing.T) {
	store := memory.NewJobs()
	ctx, s := jobWithin(t), serveStore(t, store, nil, connect.WithGRPC())
	e := &jobstore.Entry{ID: "later", Wake: time.Now().Add(time.Hour)}
	e.SetBody([]byte(`{"when":7,"note":"` + jobCanary + `"}`))
	require.NoError(t, store.Put(ctx, e))
	job := s.status(t, "later", 3)
	assert.Equal(t, v1.JobState_JOB_STATE_UNREADABLE, job.GetState())
	assert.Nil(t, job.GetTask())
	assert.Nil(t, job.GetWhen())
	assert.NotEmpty(t, job.GetError())
	_, err := s.PauseJob(ctx, &v1.PauseJobRequest{Id: "later"})
	refused(t, err, connect.CodeFailedPrecondition, "cannot be read")
}

// A told scheduler lists what it is told to.
type told struct {
	schedule.Scheduler
	filter schedule.Filter
	page   []schedule.Status
}

func (s *told) List(_ context.Context, f schedule.Filter, _ string, _ int) ([]schedule.Status, string, error) {
	s.filter = f
	return s.page, "", nil
}

// constants are the values of the constants of a type in package jobstore.
func constants(t *testing.T, typeName string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../runtime/schedule/jobstore/job.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == typeName {
				values = append(values, strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`))
			}
		}
		return true
	})
	require.NotEmpty(t, values)
	return values
}

func TestEachStateOfAJobHasOneNumberAndBack(t *testing.T) {
	in := &told{}
	ctx, c := jobWithin(t), serveJobs(t, jobManager(t, nil), in, connect.WithGRPC())
	var shown []v1.JobState
	for _, state := range constants(t, "State") {
		in.page = []schedule.Status{{State: schedule.State(state), Last: schedule.Run{TaskID: "x", State: schedule.State(state)}}}
		res, err := c.ListJobs(ctx, &v1.ListJobsRequest{})
		require.NoError(t, err)
		number := res.GetJobs()[0].GetState()
		assert.Equal(t, number, res.GetJobs()[0].GetLast().GetState(), state)
		shown = append(shown, number)
		_, err = c.ListJobs(ctx, &v1.ListJobsRequest{State: number})
		require.NoError(t, err)
		assert.Equal(t, schedule.State(state), in.filter.State)
	}
	numbers := make([]v1.JobState, 0, len(v1.JobState_name))
	for n := range v1.JobState_name {
		if n != 0 {
			numbers = append(numbers, v1.JobState(n))
		}
	}
	assert.ElementsMatch(t, numbers, shown)
	_, err := c.ListJobs(ctx, &v1.ListJobsRequest{})
	require.NoError(t, err)
	assert.Empty(t, in.filter.State, "unspecified is any")
}

func TestEachOverlapAndEachWayToDealWithMissedFiringsHasOneNumber(t *testing.T) {
	in := &told{}
	ctx, c := jobWithin(t), serveJobs(t, jobManager(t, nil), in, connect.WithGRPC())
	overlaps, missed := make(map[v1.Overlap]bool), make(map[v1.Missed]bool)
	for _, v := range constants(t, "Overlap") {
		in.page = append(in.page, schedule.Status{Job: schedule.Job{Overlap: schedule.Overlap(v)}})
	}
	for _, v := range constants(t, "Missed") {
		in.page = append(in.page, schedule.Status{Job: schedule.Job{Missed: schedule.Missed(v)}})
	}
	res, err := c.ListJobs(ctx, &v1.ListJobsRequest{})
	require.NoError(t, err)
	for _, j := range res.GetJobs() {
		overlaps[j.GetOverlap()], missed[j.GetMissed()] = true, true
	}
	assert.Len(t, overlaps, len(v1.Overlap_name))
	assert.Len(t, missed, len(v1.Missed_name))
}

func TestTheProgressOfAFiringIsShown(t *testing.T) {
	in := &told{page: []schedule.Status{{Last: schedule.Run{TaskID: "x", Error: "no paper", Progress: driver.ProgressReport{Done: 2, Total: 7, Note: "page 2"}}}}}
	res, err := serveJobs(t, jobManager(t, nil), in, connect.WithGRPC()).ListJobs(jobWithin(t), &v1.ListJobsRequest{})
	require.NoError(t, err)
	last := res.GetJobs()[0].GetLast()
	assert.Equal(t, "no paper", last.GetError())
	assert.True(t, proto.Equal(&v1.Progress{Done: 2, Total: 7, Note: "page 2"}, last.GetProgress()))
}
