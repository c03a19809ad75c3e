package model

import (
	"cmp"
	"time"
)

// Defaults of the runtime. A test of package check compares them.
const (
	DefaultLevels        = 4
	DefaultVisibility    = 30 * time.Second
	DefaultMaxDeliveries = 10
	DefaultUnknown       = 10 * time.Minute
	DefaultRetryBase     = time.Second
	DefaultRetryCap      = time.Hour
	DefaultRetryFactor   = 2
	DefaultRetention     = 24 * time.Hour // of results
)

// The types of queues.
const (
	Standard = "standard"
	FIFO     = "fifo"
	Priority = "priority"
)

// WithDefaults is the queue with the runtime's defaults for its zero values.
func (q Queue) WithDefaults() Queue {
	q.Type = cmp.Or(q.Type, Standard)
	if q.Levels == 0 {
		q.Levels = 1
		if q.Type == Priority {
			q.Levels = DefaultLevels
		}
	}
	q.Visibility = cmp.Or(q.Visibility, DefaultVisibility)
	q.MaxDeliveries = cmp.Or(q.MaxDeliveries, DefaultMaxDeliveries)
	q.DLQ = cmp.Or(q.DLQ, q.Name+"-dlq")
	q.Unknown = cmp.Or(q.Unknown, DefaultUnknown)
	return q
}
