package runtime

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A countingProvider counts what it is asked to open.
type countingProvider struct {
	brokers
	opened []QueueConfig
	during func() // called while it opens a queue; nil: nothing
}

func (p *countingProvider) Open(ctx context.Context, cfg QueueConfig) (driver.Queue, error) {
	p.opened = append(p.opened, cfg)
	if p.during != nil {
		p.during()
	}
	return p.brokers.Open(ctx, cfg)
}

func providing(names ...string) *countingProvider {
	p := &countingProvider{brokers: brokers{}}
	for _, name := range names {
		p.brokers[name] = quick(name)
	}
	return p
}

func TestQueueThatIsDeclaredAgainIsOpenedOnceWithTheTypesOfAll(t *testing.T) {
	mail := QueueConfig{Name: "q", Types: []string{"mail", "both"}}
	post := QueueConfig{Name: "q", Visibility: driver.DefaultVisibility, Types: []string{"post", "both"}}
	for name, open := range map[string]func(*Manager, Provider) error{
		"in one call":  func(m *Manager, p Provider) error { return m.Open(t.Context(), p, mail, post) },
		"in two calls": func(m *Manager, p Provider) error { return open2(t.Context(), m, p, mail, post) },
	} {
		t.Run(name, func(t *testing.T) {
			p, m := providing("q"), NewManager(ManagerConfig{})
			require.NoError(t, open(m, p))
			assert.Equal(t, []QueueConfig{mail}, p.opened)
			assert.Equal(t, []string{"q"}, m.Queues())
			assert.Equal(t, []string{"mail", "both", "post"}, m.types("q"))
			cfg, provider, err := m.Declared("q")
			require.NoError(t, err)
			assert.Equal(t, p.Name(), provider)
			assert.Equal(t, []string{"mail", "both", "post"}, cfg.Types)
			assert.Equal(t, "q-dlq", cfg.DLQ, "with its defaults")
			cfg.Types[0] = "changed"
			assert.Equal(t, "mail", m.types("q")[0], "what is returned is the caller's")
			_, _, err = m.Declared("other")
			require.ErrorIs(t, err, ErrUnknownQueue)
			assert.Equal(t, []string{"mail", "both"}, mail.Types, "the caller's stay as they are")
			require.NoError(t, m.Close())
		})
	}
}

func open2(ctx context.Context, m *Manager, p Provider, a, b QueueConfig) error {
	if err := m.Open(ctx, p, a); err != nil {
		return err
	}
	return m.Open(ctx, p, b)
}

func TestQueueThatIsDeclaredDifferentlyIsRefusedByShowingBoth(t *testing.T) {
	whole := QueueConfig{Name: "q", DLQ: "dead", Visibility: time.Minute, MaxDeliveries: 3, Retention: time.Hour, Capacity: 10}
	for name, c := range map[string]struct {
		change func(*QueueConfig)
		says   string
	}{
		"type":        {func(c *QueueConfig) { c.Type = FIFO }, "declared twice, with type standard and fifo:"},
		"levels":      {func(c *QueueConfig) { c.Type, c.Levels = Priority, 3 }, "with type standard and priority, levels 1 and 3:"},
		"visibility":  {func(c *QueueConfig) { c.Visibility = 0 }, "with visibility 1m0s and 30s:"},
		"unknown":     {func(c *QueueConfig) { c.Unknown = BuryUnknown }, "with unknown 10m0s and -1ns:"},
		"deliveries":  {func(c *QueueConfig) { c.MaxDeliveries = 4 }, "with max_deliveries 3 and 4:"},
		"dlq":         {func(c *QueueConfig) { c.DLQ = "" }, "with dlq dead and q-dlq:"},
		"retention":   {func(c *QueueConfig) { c.Retention = 0 }, "with retention 1h0m0s and 0s:"},
		"capacity":    {func(c *QueueConfig) { c.Capacity = 11 }, "with capacity 10 and 11:"},
		"two of them": {func(c *QueueConfig) { c.Capacity, c.DLQ = 0, "other" }, "with dlq dead and other, capacity 10 and 0:"},
	} {
		t.Run(name, func(t *testing.T) {
			other := whole
			c.change(&other)
			other.Types = []string{"new"}
			p, m := providing("q", "r"), NewManager(ManagerConfig{})
			err := m.Open(t.Context(), p, QueueConfig{Name: "r"}, whole, other)
			require.ErrorIs(t, err, driver.ErrQueueMismatch)
			assert.ErrorContains(t, err, `open queue "q" on brokers`)
			assert.ErrorContains(t, err, c.says)
			assert.Empty(t, p.opened, "nothing is created for a contradiction")
			assert.Empty(t, m.Queues())

			require.NoError(t, m.Open(t.Context(), p, whole))
			err = m.Open(t.Context(), p, QueueConfig{Name: "r"}, other)
			require.ErrorIs(t, err, driver.ErrQueueMismatch)
			assert.ErrorContains(t, err, c.says)
			assert.Equal(t, []string{"q"}, m.Queues())
			assert.Empty(t, m.types("q"), "what was refused leaves nothing behind")
			_, err = m.Queue("q")
			require.NoError(t, err, "the open queue is as it was")
			require.NoError(t, m.Open(t.Context(), p, QueueConfig{Name: "r"}), "the other name is free")
		})
	}
}

func TestQueueOfAnotherProviderIsRefused(t *testing.T) {
	p, other, m := providing("q"), providing("q"), NewManager(ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), p, QueueConfig{Name: "q"}))
	err := m.Open(t.Context(), other, QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
	assert.ErrorContains(t, err, "open on another provider, brokers")
	assert.Empty(t, other.opened)

	// A provider that cannot be compared is not known to be the same.
	m = NewManager(ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), p.brokers, QueueConfig{Name: "q"}, QueueConfig{Name: "q"}))
	require.ErrorIs(t, m.Open(t.Context(), p.brokers, QueueConfig{Name: "q"}), driver.ErrQueueMismatch)
}

func TestDeadLetterQueueIsNoQueueForTasks(t *testing.T) {
	work := QueueConfig{Name: "mail", Types: []string{"welcome"}}
	for name, c := range map[string]struct {
		a, b QueueConfig
		says string
	}{
		"by name":     {work, QueueConfig{Name: "reports", DLQ: "mail"}, `"mail" is the dead letter queue of "reports", and a queue for tasks of the types ["welcome"]`},
		"by default":  {QueueConfig{Name: "mail-dlq", Types: []string{"welcome"}}, QueueConfig{Name: "mail"}, `"mail-dlq" is the dead letter queue of "mail"`},
		"its own dlq": {QueueConfig{Name: "mail", DLQ: "dead"}, QueueConfig{Name: "reports", DLQ: "mail"}, `with "dead" as its own`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, pair := range [][2]QueueConfig{{c.a, c.b}, {c.b, c.a}} {
				p, m := providing("mail", "mail-dlq", "reports"), NewManager(ManagerConfig{})
				err := m.Open(t.Context(), p, pair[:]...)
				require.ErrorIs(t, err, driver.ErrQueueMismatch)
				assert.ErrorContains(t, err, c.says)
				assert.Empty(t, p.opened)
				err = open2(t.Context(), m, p, pair[0], pair[1])
				require.ErrorIs(t, err, driver.ErrQueueMismatch)
				assert.ErrorContains(t, err, c.says)
				assert.Len(t, p.opened, 1)
			}
		})
	}
	p, m := providing("mail", "mail-dlq", "reports"), NewManager(ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), p, work, QueueConfig{Name: "mail-dlq"}, QueueConfig{Name: "reports", DLQ: "mail-dlq"}),
		"dead letters may be worked on, and have one queue for several")
}

func TestOpensBesideEachOtherShareAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := providing("q", "r"), NewManager(ManagerConfig{})
		p.during = func() { time.Sleep(time.Minute) }
		answers := make(chan error, 2)
		for _, name := range []string{"a", "b"} {
			go func() { answers <- m.Open(t.Context(), p, QueueConfig{Name: "q", Types: []string{name}}) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, m.Open(ctx, p, QueueConfig{Name: "r"}), context.DeadlineExceeded, "it waits for as long as its context")
		require.NoError(t, <-answers)
		require.NoError(t, <-answers)
		assert.Len(t, p.opened, 1)
		assert.ElementsMatch(t, []string{"a", "b"}, m.types("q"))
		require.NoError(t, m.Close())
	})
}
