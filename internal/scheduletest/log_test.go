package scheduletest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// deafStore cannot note what became of a run.
type deafStore struct{ schedule.Store }

func (deafStore) Note(context.Context, schedule.JobID, schedule.Run) error {
	return errors.New("the disk is full")
}

func TestServiceAndTrackWithoutALoggerSpeakToTheDefaultOne(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "reports", Capacity: 1}})
	d := newDesk(t, schedule.Config{})
	d.env, d.s = env, schedule.New(d.store, env.Manager, schedule.Config{})
	track := schedule.Track(deafStore{d.store}, "worker-1", nil)
	var said strings.Builder
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil))) // after they were made

	d.schedule(schedule.Job{When: schedule.Every(time.Minute), Missed: schedule.FireAll})
	d.clock.Advance(3 * time.Minute)
	require.Equal(t, 1, d.fire(), "the queue takes one")
	assert.Contains(t, said.String(), "cannot fire a job")

	handler := track(runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	require.NoError(t, handler.Handle(t.Context(), &runtime.Task{ID: "a", Metadata: map[string]string{schedule.MetaJob: "nightly"}}))
	assert.Contains(t, said.String(), `level=WARN msg="cannot record the status of a job" job=nightly task=a error="the disk is full"`)
}
