// Package typeinfo holds what is known about a type of tasks without its Go code: how a
// task of it is made of a payload in JSON, and what becomes of a run that failed. The
// generator writes it into a catalog, workers publish it in their fleet, and package
// catalog of the runtime makes tasks of it.
package typeinfo

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Version is the version of templates and of catalogs.
const Version = 1

// A Type describes a type of tasks, as its Spec declares it.
type Type struct {
	Name       string        `json:"name"`
	Aliases    []string      `json:"aliases,omitempty"`
	Queue      string        `json:"queue,omitempty"`   // empty if none is named
	Schema     string        `json:"schema,omitempty"`  // the JSON Schema of its payload; empty if it has none, or one that is too large to be published
	Shape      string        `json:"shape,omitempty"`   // names the JSON form of its payload, as Task.Shape of package driver; empty: not known
	Secrets    []string      `json:"secrets,omitempty"` // the paths of the payload's secret fields
	Timeout    time.Duration `json:"timeout,omitempty"` // in nanoseconds; 0: none
	MaxRetries int           `json:"max_retries,omitempty"`
	Result     bool          `json:"result,omitempty"` // its handler returns a result
	Retry      Retry         `json:"retry,omitzero"`
	Retention  time.Duration `json:"retention,omitempty"` // of its results, in nanoseconds; 0: the default
	// Template is how a task is made without the payload's type. Nil: a worker of an older
	// version has published the type, and no task can be made.
	Template *Template `json:"template,omitempty"`
}

// Encode writes the description as a store keeps it.
func (t *Type) Encode() ([]byte, error) { return json.Marshal(t) }

// Decode reads what Encode wrote.
func (t *Type) Decode(data []byte) error {
	if err := json.Unmarshal(data, t); err != nil {
		return fmt.Errorf("taskgen: the description of a type: %w", err)
	}
	return nil
}

// Guarded is a description with the secrets of another one of the type as well, and sealed if
// that one is. It shares nothing with the first that changes.
func Guarded(t Type, other *Type) Type {
	secrets := slices.Clone(t.Secrets)
	for _, s := range other.Secrets {
		if !slices.Contains(secrets, s) {
			secrets = append(secrets, s)
		}
	}
	t.Secrets = secrets
	if t.Template != nil && other.Template != nil && other.Template.Sealed {
		sealed := *t.Template
		sealed.Sealed, t.Template = true, &sealed
	}
	return t
}

// A Template says how a task of a type is made of a payload in JSON, as an enqueue in Go
// makes it.
type Template struct {
	// Version is that of the format. A reader that does not know it makes no tasks.
	Version int `json:"version"`
	// Refused is why no task can be made without the type's code, as the end of a sentence
	// about the type; empty: it can.
	Refused       string `json:"refused,omitempty"`
	Priority      int    `json:"priority,omitempty"`
	SchemaVersion int    `json:"schema_version,omitempty"`
	// UniqueBy are the members of the payload that its unique key is made of, in their
	// order; empty: there is no key. UniqueFor is how long the key stays taken; 0: until
	// the task is done.
	UniqueBy  []string      `json:"unique_by,omitempty"`
	UniqueFor time.Duration `json:"unique_for,omitempty"` // in nanoseconds
	// GroupBy is the member that is the ordering key on a FIFO queue; empty: none.
	GroupBy string `json:"group_by,omitempty"`
	// Required are the members that may not have their zero values.
	Required []string `json:"required,omitempty"`
	// Sealed says that the payload is sealed on the queue (see driver.Sealer): the manager
	// that enqueues needs a sealer.
	Sealed bool `json:"sealed,omitempty"`
	// Payload is the shape of the payload; nil if tasks are refused.
	Payload *Shape `json:"payload,omitempty"`
}

// A Retry says when a failed task is retried. The fields are those of a
// runtime.RetryPolicy, whose defaults zero values mean.
type Retry struct {
	Backoff string        `json:"backoff,omitempty"`
	Base    time.Duration `json:"base,omitempty"` // in nanoseconds
	Cap     time.Duration `json:"cap,omitempty"`  // in nanoseconds
	Factor  float64       `json:"factor,omitempty"`
	Jitter  float64       `json:"jitter,omitempty"`
}
