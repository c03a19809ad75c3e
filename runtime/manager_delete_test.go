package runtime_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

var deletedSpec = &runtime.Spec[string]{Type: "note", Queue: "mail"}

// enqueueNote enqueues one task on the queue mail.
func enqueueNote(ctx context.Context, m *runtime.Manager) error {
	note := "hello"
	_, err := runtime.Enqueue(ctx, m, deletedSpec, &note)
	return err
}

func TestADeletedQueueIsForgottenAndCanBeOpenedAgainInAnotherWay(t *testing.T) {
	p := memory.New()
	defer p.Close()
	var closed []string
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{{
		QueueClosed: func(q *observe.Queue) { closed = append(closed, q.Name) },
	}}})
	defer m.Close()
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mail"}, runtime.QueueConfig{Name: "reports"}))
	require.NoError(t, enqueueNote(t.Context(), m))
	old, err := m.Queue("mail")
	require.NoError(t, err)

	require.NoError(t, m.Delete(t.Context(), "mail"))
	assert.Equal(t, []string{"reports"}, m.Queues())
	assert.Equal(t, []string{"mail"}, closed)
	require.ErrorIs(t, enqueueNote(t.Context(), m), runtime.ErrUnknownQueue)
	require.ErrorIs(t, m.Delete(t.Context(), "mail"), runtime.ErrUnknownQueue)
	_, err = old.Stats(t.Context())
	require.ErrorIs(t, err, runtime.ErrClosed)

	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mail", Type: runtime.Priority, DLQ: "elsewhere"}))
	q, err := m.Queue("mail")
	require.NoError(t, err)
	stats, err := q.Stats(t.Context())
	require.NoError(t, err)
	assert.Zero(t, stats)
}

func TestADeadLetterQueueThatIsDeletedWithItsQueueIsForgottenToo(t *testing.T) {
	p := memory.New()
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	defer m.Close()
	require.NoError(t, m.Open(t.Context(), p,
		runtime.QueueConfig{Name: "mail"}, runtime.QueueConfig{Name: "mail-dlq"},
		runtime.QueueConfig{Name: "letters", DLQ: "shared"}, runtime.QueueConfig{Name: "parcels", DLQ: "shared"}, runtime.QueueConfig{Name: "shared"}))
	require.ErrorIs(t, m.Delete(t.Context(), "mail-dlq"), runtime.ErrUnsupported)
	require.NoError(t, m.Delete(t.Context(), "mail"))
	require.NoError(t, m.Delete(t.Context(), "letters"))
	require.Equal(t, []string{"parcels", "shared"}, m.Queues(), "a shared one stays")
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mail-dlq"}))
	_, err := m.Queue("mail-dlq")
	require.NoError(t, err, "its name is free")
}

// An undeletable provider has queues that say they cannot be deleted.
type undeletable struct{ runtime.Provider }

func (p undeletable) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	return struct{ driver.Queue }{q}, err
}

func TestAQueueThatItsProviderCannotDeleteStaysOpen(t *testing.T) {
	m := runtime.NewManager(runtime.ManagerConfig{})
	defer m.Close()
	require.NoError(t, m.Open(t.Context(), undeletable{memory.New()}, runtime.QueueConfig{Name: "mail"}))
	require.ErrorIs(t, m.Delete(t.Context(), "mail"), runtime.ErrUnsupported)
	require.NoError(t, enqueueNote(t.Context(), m))
}

// A deleter fails to delete its queue at first.
type deleter struct {
	driver.Queue
	failures []error
}

func (q *deleter) Delete(ctx context.Context) error {
	if len(q.failures) > 0 {
		err := q.failures[0]
		q.failures = q.failures[1:]
		return err
	}
	return q.Queue.(driver.Deleter).Delete(ctx)
}

// A flaky provider opens queues whose Delete fails once.
type flaky struct{ runtime.Provider }

func (p flaky) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	return &deleter{q, []error{driver.Unavailable(errors.New("the broker is away"))}}, err
}

func TestADeleteThatFailedCanBeRepeated(t *testing.T) {
	m := runtime.NewManager(runtime.ManagerConfig{})
	defer m.Close()
	require.NoError(t, m.Open(t.Context(), flaky{memory.New()}, runtime.QueueConfig{Name: "mail"}))
	require.ErrorIs(t, m.Delete(t.Context(), "mail"), driver.ErrUnavailable)
	require.Equal(t, []string{"mail"}, m.Queues())
	require.NoError(t, m.Delete(t.Context(), "mail"))
	require.Empty(t, m.Queues())
}

func TestADeleteWaitsForAnOpenNoLongerThanItsContext(t *testing.T) {
	m := runtime.NewManager(runtime.ManagerConfig{})
	defer m.Close()
	require.NoError(t, m.Open(t.Context(), memory.New(), runtime.QueueConfig{Name: "mail"}))
	slow := &slowOpen{Provider: memory.New(), opening: make(chan struct{}), goOn: make(chan struct{})}
	opened := make(chan error, 1)
	go func() { opened <- m.Open(t.Context(), slow, runtime.QueueConfig{Name: "reports"}) }()
	<-slow.opening
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, m.Delete(ctx, "mail"), context.Canceled)
	close(slow.goOn)
	require.NoError(t, <-opened)
	require.NoError(t, m.Delete(t.Context(), "mail"))
}

// A slowOpen waits in Open.
type slowOpen struct {
	runtime.Provider
	opening, goOn chan struct{}
}

func (p *slowOpen) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	close(p.opening)
	<-p.goOn
	return p.Provider.Open(ctx, cfg)
}
