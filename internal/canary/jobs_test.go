package canary

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

func (w *walk) schedule() {
	s := schedule.New(w.jobs, w.m, schedule.Config{Logger: w.log})
	declared := []schedule.Declaration{schedule.Recurring(schedule.Every(time.Hour), schedule.AllowOverlap, payments())}
	changes, err := schedule.Declare(w.ctx, s, "canary", declared)
	require.NoError(w, err)
	p := paymentOf("good, first")
	id, err := schedule.Add(w.ctx, s, schedule.At(time.Now().Add(-time.Second)), payments(), &p)
	require.NoError(w, err)
	p.Order = "good, scheduled"
	require.NoError(w, schedule.ModifyPayload(w.ctx, s, id, payments(), &p))
	require.NoError(w, schedule.ModifyPayload(w.ctx, s, changes.Added[0], payments(), &p))
	_, err = schedule.Declare(w.ctx, s, "canary", declared)
	require.NoError(w, err)
	require.NoError(w, schedule.ModifyPayload(w.ctx, s, changes.Added[0], payments(), &p))
	w.lookAtJobs(s)

	fired, err := s.FireDue(w.ctx)
	require.NoError(w, err)
	require.Equal(w, 1, fired)
	w.drainUntil("good, scheduled")
	ran, err := s.RunNow(w.ctx, id)
	require.NoError(w, err)
	w.drain()
	w.resultOf(ran)
	// One that fails, and one whose queue is not there.
	p.Order = "kept by its job"
	_, err = schedule.Add(w.ctx, s, schedule.At(time.Now().Add(-time.Second)), payments(), &p)
	require.NoError(w, err)
	task, err := runtime.NewTask(payments(), &p, w.m.Now(), runtime.WithQueue("nowhere"))
	require.NoError(w, err)
	_, err = s.Schedule(w.ctx, schedule.Job{When: schedule.In(time.Hour), Task: task})
	require.Error(w, err)
	w.look(errorText, err.Error())
	fired, err = s.FireDue(w.ctx)
	require.NoError(w, err)
	require.Equal(w, 1, fired)
	w.drain()
	w.lookAtJobs(s)
}

func (w *walk) lookAtJobs(s *schedule.Service) {
	w.Helper()
	page, _, err := s.List(w.ctx, schedule.Filter{}, "", 100)
	require.NoError(w, err)
	for _, st := range page {
		require.Contains(w, string(st.Task.Payload), "order", "whoever has the ring reads it")
		w.log.Info("a job", "status", st, "job", st.Job, "pointer", &st, "task", st.Task)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			for _, v := range []any{st, &st, st.Job, st.Task, *st.Task} {
				w.look(jobPrints, fmt.Sprintf(verb, v))
			}
		}
		w.look(jobError, st.Error+st.Last.Error)
		w.look(progress, fmt.Sprintf("%+v", st.Last.Progress))
		e, err := w.jobs.Get(w.ctx, st.ID)
		require.NoError(w, err)
		w.look(jobPrints, fmt.Sprintf("%v %+v", e, *e))
		w.log.Info("an entry", "entry", e)
		w.look(jobAtRest, string(e.Task.Payload))
	}
}
