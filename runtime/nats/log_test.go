package nats

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/output"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestWhatNoCallReturnsIsLoggedToTheGivenLogger(t *testing.T) {
	t.Parallel()
	s, err := shared()
	require.NoError(t, err)
	prefix := newPrefix()
	t.Cleanup(func() { sweep(t, s.URL, prefix) })
	log := new(output.Buffer)
	q := openQueue(t, open(t, s.URL, WithPrefix(prefix), WithLogger(slog.New(slog.NewTextHandler(log, nil)))), driver.QueueConfig{})
	publishRaw(t, q, "hello", `{"v":1,"id":"a","type":"t","queue":"q","payload":1,"created_at":"2026-11-29T14:00:00Z"}`)
	take(t, q, 1, time.Minute)
	assert.Contains(t, log.String(), "published to a subject that is not for tasks")
}

func TestErrorsOfTheConnectionAreLoggedToTheGivenLogger(t *testing.T) {
	t.Parallel()
	s := own(t, "}\nauthorization {\n"+readmeUsers(t))
	log := new(output.Buffer)
	p := open(t, as(s.URL), WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	require.NoError(t, p.js.Conn().Publish("forbidden", nil))
	require.Eventually(t, func() bool { return log.String() != "" }, soon, time.Millisecond)
	assert.Contains(t, log.String(), "nats: an error of the connection")
	assert.Contains(t, log.String(), "forbidden")
}
