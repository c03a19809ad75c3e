package runtime

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/jsonvalue"
	"github.com/taskgen/taskgen/runtime/internal/pool"
	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// A Spec is how a payload type T is named, queued, retried and given up on. The
// generator writes one for each annotated struct.
type Spec[T any] struct {
	Type    string   // the wire name
	Aliases []string // former wire names that the handler takes as well
	Queue   string
	// Timeout of one run of the handler. 0: no limit.
	Timeout  time.Duration
	Priority int
	Retry    RetryPolicy
	// UniqueKey and UniqueFor: see the fields of Task. Nil: not unique.
	UniqueKey func(*T) string
	UniqueFor time.Duration
	// UniqueBy are the JSON names of the fields that UniqueKey hands to KeyOf, in that
	// order. It is for programs without the type (see package catalog): they enqueue no
	// tasks with a UniqueKey and without it.
	UniqueBy []string
	// GroupKey returns the ordering key on a FIFO queue.
	GroupKey func(*T) string
	// GroupBy is the JSON name of the field that GroupKey returns: a string, or an integer
	// in decimal digits. It is for programs without the type, as UniqueBy is.
	GroupBy string
	// Validate checks a payload; it is called before enqueueing and before handling.
	// Its error counts as ErrInvalidTask.
	Validate func(*T) error
	// Required are the JSON names of the fields whose zero values Validate refuses, if that
	// is all that it does.
	Required []string
	// Secrets are the paths of the parts of a payload that people and logs must not
	// see: JSON pointers (RFC 6901) with * for every element of a list or member of an
	// object, and ~2 for a * in a name ("/card", "/to/*/iban"). "" is the whole
	// payload. A path that does not begin with a slash has dots between its names
	// ("to.*.iban"), and matches under any reading of the dots. For a payload with
	// secrets, errors do not quote what cannot be decoded; errors of Validate are shown
	// as they are. If it is empty and fields of T are tagged task:"secret": the whole
	// payload.
	Secrets []string
	// Schema of the payload: JSON Schema, 2020-12, as text. Empty: unknown. The runtime
	// does not read it; package dlq checks edited payloads against it.
	Schema string
	// Concurrency bounds how many tasks of this type one pool runs at a time.
	// 0: the pool's own bound.
	Concurrency int
	// Rate bounds how many tasks of this type one pool starts. Zero: no bound.
	Rate Rate
	// Retention is how long the result is kept. 0: DefaultResultRetention.
	Retention     time.Duration
	SchemaVersion int
	// Shape names the JSON form of the payload: see the field of Task. Empty: not known.
	Shape string
	// Reads are the shapes that the type reads besides its own, such as those of its earlier
	// forms. A task of any other shape is not run, as it would be read as something that it
	// is not: it is handed on to other workers for the QueueConfig.Unknown of its queue, and
	// then dies with driver.ErrUnknownShape. A task without a shape is run, and so is every
	// task if Shape is empty.
	Reads []string
	// Codec of the payload. Nil: JSON.
	Codec Codec
	// Plain returns the payload as a type without methods, which the default codec
	// encodes instead: this skips a MarshalJSON that exists for logs. Nil: the payload
	// itself is encoded.
	Plain func(*T) any
}

// A Rate is a number of events in a time: Rate{100, time.Second}. The zero Rate
// means no bound. Its fields are Limit, an int, and Per, a time.Duration.
type Rate = pool.Rate

// Policy is the part of a Spec that the worker needs, without its payload type. It has
// the fields Type, Aliases, Queue, Timeout, Retry, Concurrency, Rate, Secrets, Schema,
// Shape, Reads and Retention of a Spec, and two more. Result, a bool, says that the handler sets a
// result, with SetResult. Template says how a task is made without the payload's type; see
// package catalog. It is nil for a policy that is written by hand.
type Policy = pool.Policy

// Policy returns the worker's part of the spec.
func (s *Spec[T]) Policy() Policy {
	secrets := s.Secrets
	if len(secrets) == 0 && s.secret() {
		secrets = []string{""}
	}
	return Policy{
		Type: s.Type, Aliases: s.Aliases, Queue: s.Queue, Timeout: s.Timeout, Retry: s.Retry,
		Concurrency: s.Concurrency, Rate: s.Rate, Secrets: secrets, Schema: s.Schema, Shape: s.Shape, Reads: s.Reads, Retention: s.Retention,
		Template: s.template(),
	}
}

func (s *Spec[T]) codec() Codec {
	if s.Codec == nil {
		return JSON
	}
	return s.Codec
}

// Decode reads and validates the payload of a task. Errors wrap [ErrInvalidTask], or
// [driver.ErrUnknownShape] if neither Shape nor Reads has the shape of the task; for a type
// with secrets they name the path and kind of the value that could not be read, and quote
// nothing.
func (s *Spec[T]) Decode(t *Task) (T, error) {
	var v T
	if !pool.ReadsShape(t.Shape, s.Shape, s.Reads) {
		return v, fmt.Errorf("task %s: %w", t.ID, pool.ErrShape(t, s.Shape, s.Reads))
	}
	if t.Encoding != "" {
		return v, invalid("the payload of task %s (%s) is encoded as %q: the router needs the middleware that undoes it, that of the last encoding first", t.ID, t.Type, t.Encoding)
	}
	if err := s.unmarshal(t.Payload, &v); err != nil {
		var none T // what was read of it must not leak out
		if errors.Is(err, ErrPanic) {
			return none, fmt.Errorf("the payload of task %s (%s): %w", t.ID, t.Type, err)
		}
		return none, invalid("the payload of task %s (%s): %w", t.ID, t.Type, err)
	}
	return v, s.validate(&v)
}

// unmarshal decodes a payload. With secrets, its error quotes neither an error of the
// codec nor a panic in it.
func (s *Spec[T]) unmarshal(payload []byte, v *T) (err error) {
	if s.secret() {
		defer redactPanic(&err, driver.Recovered)
	}
	if err := s.codec().Unmarshal(payload, v); err != nil {
		return s.printableError(payload, err)
	}
	return nil
}

func (s *Spec[T]) secret() bool {
	return len(s.Secrets) > 0 || redact.HoldsSecret(reflect.TypeFor[T]())
}

// printableError is an error of the codec about a payload without any secrets.
func (s *Spec[T]) printableError(data []byte, err error) error {
	if !s.secret() {
		return err
	}
	return redactedError[T](s.codec(), data, err)
}

// validate makes an error of Validate count as ErrInvalidTask.
func (s *Spec[T]) validate(v *T) error {
	if s.Validate == nil {
		return nil
	}
	err := s.Validate(v)
	if err != nil && !errors.Is(err, ErrInvalidTask) {
		err = invalid("a task of type %s: %w", s.Type, err)
	}
	return err
}

// encode encodes a payload. With secrets, its error quotes neither an error of the
// codec nor a panic in it.
func (s *Spec[T]) encode(v *T) (payload []byte, err error) {
	if s.secret() {
		defer redactPanic(&err, codecPanicked)
	}
	if payload, err = s.marshal(v); err != nil {
		return nil, s.printableError(nil, err)
	}
	return payload, nil
}

func (s *Spec[T]) marshal(v *T) ([]byte, error) {
	if s.Codec == nil && s.Plain != nil {
		return JSON.Marshal(s.Plain(v))
	}
	return s.codec().Marshal(v)
}

// fill makes t the task that carries v.
func (s *Spec[T]) fill(t *Task, v *T, now time.Time) error {
	if err := s.validate(v); err != nil {
		return err
	}
	payload, err := s.encode(v)
	if err != nil {
		return invalid("the payload of a task of type %s: %w", s.Type, err)
	}
	if s.Codec == nil {
		if err := errors.Join(jsonvalue.Lossless(payload, v), checkUntyped(v, s.Secrets)); err != nil {
			return invalid("the payload of a task of type %s: %w", s.Type, err)
		}
	}
	if s.Codec == nil {
		driver.SetJSON(t, payload)
	} else {
		t.Payload = payload
	}
	t.Type, t.Queue = s.Type, s.Queue
	t.Timeout, t.Priority, t.MaxRetries = s.Timeout, s.Priority, s.Retry.Max
	t.SchemaVersion, t.Shape = s.SchemaVersion, s.Shape
	t.CreatedAt = now
	if s.UniqueKey != nil {
		t.UniqueKey, t.UniqueFor = s.UniqueKey(v), s.UniqueFor
	}
	if s.GroupKey != nil {
		t.GroupKey = s.GroupKey(v)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidTask}, args...)...)
}
