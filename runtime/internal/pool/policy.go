package pool

import (
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/internal/typeinfo"
)

// A Rate is a number of events in a time: Rate{100, time.Second}. The zero Rate
// means no bound.
type Rate struct {
	Limit int
	Per   time.Duration
}

// Policy is the part of a Spec that the worker needs, without its payload type.
type Policy struct {
	Type        string
	Aliases     []string
	Queue       string
	Timeout     time.Duration
	Retry       RetryPolicy
	Concurrency int
	Rate        Rate
	Secrets     []string
	Schema      string
	Shape       string
	Reads       []string
	// Result says that the handler sets one, with SetResult.
	Result    bool
	Retention time.Duration
	// Template is how a task is made without the payload's type; nil: nobody knows.
	Template *typeinfo.Template
}

func (p *Policy) limited() bool { return p.Concurrency > 0 || p.Rate != Rate{} }

func (p *Policy) validate() error {
	if p.Concurrency < 0 {
		return fmt.Errorf("taskgen: type %q has the concurrency %d", p.Type, p.Concurrency)
	}
	return errors.Join(p.validateShapes(), p.Rate.validate("type", p.Type))
}
