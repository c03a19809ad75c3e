package driver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestQueueConfigHasDefaults(t *testing.T) {
	for _, c := range []struct{ in, want driver.QueueConfig }{
		{driver.QueueConfig{Name: "q"}, driver.QueueConfig{Name: "q", Type: driver.Standard, Levels: 1, Visibility: 30 * time.Second, MaxDeliveries: 10, DLQ: "q-dlq", Unknown: 10 * time.Minute}},
		{driver.QueueConfig{Name: "q", Type: driver.Priority}, driver.QueueConfig{Name: "q", Type: driver.Priority, Levels: 4, Visibility: 30 * time.Second, MaxDeliveries: 10, DLQ: "q-dlq", Unknown: 10 * time.Minute}},
		{driver.QueueConfig{Name: "q", Type: driver.FIFO}, driver.QueueConfig{Name: "q", Type: driver.FIFO, Levels: 1, Visibility: 30 * time.Second, MaxDeliveries: 10, DLQ: "q-dlq", Unknown: 10 * time.Minute}},
		{
			driver.QueueConfig{Name: "q", Type: driver.Priority, Levels: 2, Visibility: 1, MaxDeliveries: 1, DLQ: "d", Retention: 1, Unknown: driver.BuryUnknown, Capacity: 1},
			driver.QueueConfig{Name: "q", Type: driver.Priority, Levels: 2, Visibility: 1, MaxDeliveries: 1, DLQ: "d", Retention: 1, Unknown: driver.BuryUnknown, Capacity: 1},
		},
	} {
		got, err := c.in.WithDefaults()
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
		again, err := got.WithDefaults()
		require.NoError(t, err)
		assert.Equal(t, got, again)
	}
}

func TestQueueConfigSaysWhatContradictsItself(t *testing.T) {
	for says, cfg := range map[string]driver.QueueConfig{
		`taskgen: invalid queue "": it has no name`:                                                          {},
		`taskgen: invalid queue "q": unknown type "lifo" (standard, fifo or priority)`:                       {Name: "q", Type: "lifo"},
		`taskgen: invalid queue "q": a priority queue has at least 2 levels, not 1`:                          {Name: "q", Type: driver.Priority, Levels: 1},
		`taskgen: invalid queue "q": a priority queue has at least 2 levels, not -1`:                         {Name: "q", Type: driver.Priority, Levels: -1},
		`taskgen: invalid queue "q": levels are for queues of type priority, this one is standard`:           {Name: "q", Levels: 3},
		`taskgen: invalid queue "q": levels are for queues of type priority, this one is fifo`:               {Name: "q", Type: driver.FIFO, Levels: -3},
		`taskgen: invalid queue "q": a negative limit`:                                                       {Name: "q", Visibility: -1},
		`taskgen: invalid queue "r": a negative limit`:                                                       {Name: "r", Retention: -1},
		`taskgen: invalid queue "s": a negative limit`:                                                       {Name: "s", MaxDeliveries: -1},
		`taskgen: invalid queue "t": a negative limit`:                                                       {Name: "t", Capacity: -1},
		`taskgen: invalid queue "q": unknown tasks cannot wait for -1s: BuryUnknown is how they die at once`: {Name: "q", Unknown: -time.Second},
		`taskgen: invalid queue "q": it cannot be its own dead letter queue`:                                 {Name: "q", DLQ: "q"},
	} {
		_, err := cfg.WithDefaults()
		require.ErrorIs(t, err, driver.ErrInvalidQueue)
		assert.EqualError(t, err, says)
	}
}

func TestQueueAcceptsWhatFitsItsType(t *testing.T) {
	open := func(cfg driver.QueueConfig) driver.QueueConfig {
		cfg.Name = "q"
		cfg, err := cfg.WithDefaults()
		require.NoError(t, err)
		return cfg
	}
	standard, fifo, levels := open(driver.QueueConfig{}), open(driver.QueueConfig{Type: driver.FIFO}), open(driver.QueueConfig{Type: driver.Priority, Levels: 3})
	for _, c := range []struct {
		queue driver.QueueConfig
		task  driver.Task
		says  string // empty: accepted
	}{
		{standard, driver.Task{}, ""},
		{standard, driver.Task{Priority: 1}, `declare it type=priority`},
		{standard, driver.Task{GroupKey: "g"}, `declare it type=fifo`},
		{fifo, driver.Task{GroupKey: "g"}, ""},
		{fifo, driver.Task{}, `has no group key`},
		{fifo, driver.Task{GroupKey: "g", Priority: 1}, `declare it type=priority`},
		{levels, driver.Task{}, ""},
		{levels, driver.Task{Priority: 2}, ""},
		{levels, driver.Task{Priority: 3}, `priority 3, but queue "q" has the levels 0 to 2`},
		{levels, driver.Task{GroupKey: "g"}, `declare it type=fifo`},
	} {
		c.task.ID, c.task.Type, c.task.Payload = "a", "t", []byte("{}")
		err := c.queue.Accepts(&c.task)
		if c.says == "" {
			assert.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, driver.ErrInvalidTask)
		assert.ErrorContains(t, err, "task a (t)")
		assert.ErrorContains(t, err, c.says)
	}
}
