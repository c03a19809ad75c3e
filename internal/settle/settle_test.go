package settle_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/settle"
	"github.com/taskgen/taskgen/runtime/driver"
)

var at = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

func TestASuspectHasCrashedOftenEnough(t *testing.T) {
	for _, c := range []struct {
		about                             string
		crashes, retries, retried, excuse int
		forgives                          bool
		ends, suspicion                   int
	}{
		{"no crash", 0, 3, 0, 0, true, 0, 3},
		{"crashes", 4, 3, 0, 0, true, 4, 3},
		{"excused ones do not count", 4, 3, 0, 3, true, 1, 3},
		{"more excuses than crashes", 1, 3, 0, 3, true, 0, 3},
		{"charged crashes beyond the retries", 0, 3, 5, 0, false, 5, 4},
		{"charged ones that may be failures", 0, 3, 3, 0, false, 0, 3},
		{"few retries", 0, 0, 5, 0, false, 5, 3},
	} {
		d := &driver.Delivery{Task: &driver.Task{MaxRetries: c.retries, RetryCount: c.retried}, Crashes: c.crashes}
		ends, suspicion := settle.Suspicion(d, 5, c.forgives, c.excuse)
		assert.Equal(t, []int{c.ends, c.suspicion}, []int{ends, suspicion}, c.about)
	}
}

func TestATaskExpiresUnlessItWasPutBackOrRedriven(t *testing.T) {
	cfg := &driver.QueueConfig{Name: "q", Retention: time.Hour}
	old := func() *driver.Task { return &driver.Task{CreatedAt: at.Add(-2 * time.Hour)} }
	require.ErrorIs(t, settle.Expired(cfg, old(), at), driver.ErrTaskExpired)
	require.NoError(t, settle.Expired(&driver.QueueConfig{Name: "q"}, old(), at))
	redriven := old()
	redriven.Metadata = map[string]string{driver.MetaRedriveCount: "1"}
	require.NoError(t, settle.Expired(cfg, redriven, at))

	back := old()
	settle.Delay(cfg, back, time.Minute, at.Add(-time.Hour))
	require.NoError(t, settle.Expired(cfg, back, at))
	require.ErrorIs(t, settle.Expired(cfg, back, at.Add(time.Hour)), driver.ErrTaskExpired)
	settle.Delay(cfg, back, 0, at)
	require.ErrorIs(t, settle.Expired(cfg, back, at.Add(time.Hour)), driver.ErrTaskExpired, "without a delay nothing is recorded")
}

func TestRecordsOfRunsAndDeaths(t *testing.T) {
	task := &driver.Task{ID: "a", Queue: "q", MaxRetries: 1}
	run := settle.Run{Attempt: 1, Worker: "w", At: at, Took: time.Second}
	settle.Retry(task, run, errors.New("first"))
	assert.Equal(t, 1, task.RetryCount)
	assert.Contains(t, task.Metadata[driver.MetaAttemptPrefix+"1"], "first")
	run.Attempt = 2
	settle.Die(task, run, "q", errors.New("second"))
	assert.Equal(t, 1, task.RetryCount)
	assert.Contains(t, task.Metadata[driver.MetaAttemptPrefix+"2"], "second")
	assert.Equal(t, "q", task.Metadata[driver.MetaOriginalQueue])
	assert.Contains(t, task.Metadata[driver.MetaFailureReason], "second")

	// On a dead letter queue it keeps the queue that it came from.
	settle.Die(task, run, "q.dead", errors.New("third"))
	assert.Equal(t, "q", task.Metadata[driver.MetaOriginalQueue])
}
