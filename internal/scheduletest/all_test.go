package scheduletest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

func TestALoopComesToEachJobOnceWhateverItEnds(t *testing.T) {
	d := newDesk(t, schedule.Config{Retention: time.Nanosecond}) // an ended job is forgotten at once
	const jobs = 450
	for i := range jobs {
		d.schedule(schedule.Job{ID: schedule.JobID(fmt.Sprintf("job-%03d", i)), When: schedule.In(time.Hour)})
	}
	n := 0
	for st, err := range schedule.All(ctx, d.s, schedule.Filter{Type: "report"}) {
		require.NoError(t, err)
		require.Equal(t, schedule.JobID(fmt.Sprintf("job-%03d", n)), st.ID)
		require.NoError(t, d.s.Cancel(ctx, st.ID))
		if n++; n == 430 {
			break
		}
	}
	for st, err := range schedule.All(ctx, d.s, schedule.Filter{State: schedule.Scheduled}) {
		require.NoError(t, err)
		require.Equal(t, schedule.JobID(fmt.Sprintf("job-%03d", n)), st.ID)
		n++
	}
	require.Equal(t, jobs, n)
}

func TestTheErrorOfALoopOverJobsIsItsLast(t *testing.T) {
	errs := 0
	for st, err := range schedule.All(ctx, schedule.OnQueue(newDesk(t, schedule.Config{}).env.Manager), schedule.Filter{}) {
		require.Empty(t, st.ID)
		require.ErrorIs(t, err, runtime.ErrUnsupported)
		errs++
	}
	require.Equal(t, 1, errs)
}
