package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/generated"
	"github.com/taskgen/taskgen/runtime/internal/jsonvalue"
)

// ErrRefused: no task of the type can be made without its code.
var ErrRefused = errors.New("taskgen: no task of the type can be made without its code")

// A Type makes tasks of a type by its description, as the type's Spec does. It is safe for
// concurrent use.
type Type struct {
	described fleet.Type
	template  typeinfo.Template
	payload   reflect.Type
}

// New returns the type that a description says. The error wraps ErrRefused if no task can
// be made of it, and says why: a worker of an older version has published it, it has a codec
// of its own, or a key of what only its code can write.
func New(d fleet.Type) (*Type, error) {
	t := &Type{described: d}
	switch {
	case d.Name == "":
		return nil, fmt.Errorf("%w: it has no name", ErrRefused)
	case d.Template == nil:
		return nil, refused(&d, "a worker of an older version has published it, without what an enqueue needs: update the worker, or use a catalog that has the type")
	case d.Template.Version > typeinfo.Version:
		return nil, refused(&d, fmt.Sprintf("its description has version %d, and this program knows version %d: update it", d.Template.Version, typeinfo.Version))
	case d.Template.Refused != "":
		return nil, refused(&d, d.Template.Refused)
	case d.Template.Payload == nil:
		return nil, refused(&d, "its payload is not described")
	}
	t.template = *d.Template
	var err error
	if t.payload, err = build(t.template.Payload); err != nil {
		return nil, refused(&d, err.Error())
	}
	if why := typeinfo.Refuses(t.template.Payload, t.template.UniqueBy, t.template.GroupBy); why != "" {
		return nil, refused(&d, why)
	}
	for _, name := range slices.Concat(t.template.Required, t.template.UniqueBy, []string{t.template.GroupBy}) {
		if name != "" && t.template.Payload.Member(name) == nil {
			return nil, refused(&d, fmt.Sprintf("its payload has no member %q, which the description names", name))
		}
	}
	return t, nil
}

func refused(d *fleet.Type, why string) error {
	return fmt.Errorf("%w: %q: %s", ErrRefused, d.Name, why)
}

// Described is the description of the type.
func (t *Type) Described() fleet.Type { return t.described }

// Policy is PolicyOf of the type's description.
func (t *Type) Policy() runtime.Policy { return PolicyOf(t.described) }

// PolicyOf is the policy of the type that a description says, also of one of which no task can
// be made. What only code has is missing: Retry.Retryable, and bounds of a worker.
func PolicyOf(d fleet.Type) runtime.Policy {
	return runtime.Policy{
		Type: d.Name, Aliases: d.Aliases, Queue: d.Queue, Timeout: d.Timeout, Secrets: d.Secrets, Schema: d.Schema, Shape: d.Shape,
		Retry: runtime.RetryPolicy{
			Max: d.MaxRetries, Backoff: runtime.Backoff(d.Retry.Backoff), Base: d.Retry.Base, Cap: d.Retry.Cap, Factor: d.Retry.Factor, Jitter: d.Retry.Jitter,
		},
		Result: d.Result, Retention: d.Retention, Template: d.Template,
	}
}

// NewTaskJSON is Spec.NewTaskJSON of package runtime, without Validate. Members that the
// payload's type lacks are refused. The error wraps runtime.ErrInvalidTask, and quotes
// nothing of a payload with secrets.
func (t *Type) NewTaskJSON(payload []byte, now time.Time, opts ...runtime.EnqueueOption) (*runtime.Task, error) {
	v := reflect.New(t.payload)
	secret := len(t.described.Secrets) > 0
	if err := jsonvalue.Decode(payload, v.Interface(), secret); err != nil {
		return nil, t.invalid(err)
	}
	fields := t.fields(v.Elem())
	for _, name := range t.template.Required {
		if f := fields(name); !f.IsValid() || isZero(f, t.template.Payload.Member(name)) {
			return nil, generated.Missing(t.described.Name, name)
		}
	}
	data, err := json.Marshal(v.Interface())
	switch {
	case err == nil:
		err = jsonvalue.Lossless(data, v.Interface())
	case secret:
		err = jsonvalue.PrintableError(t.payload, nil, true, err)
	}
	if err != nil {
		return nil, t.invalid(err)
	}
	task := &runtime.Task{
		Type: t.described.Name, Queue: t.described.Queue, Timeout: t.described.Timeout, MaxRetries: t.described.MaxRetries,
		Priority: t.template.Priority, SchemaVersion: t.template.SchemaVersion, Shape: t.described.Shape, CreatedAt: now,
	}
	driver.SetJSON(task, data)
	t.keys(task, fields)
	for _, opt := range opts {
		opt(task)
	}
	driver.SetDue(task, task.ScheduledFor)
	return task, nil
}

// keys sets the keys, which are those of generated code.
func (t *Type) keys(task *runtime.Task, field func(string) reflect.Value) {
	if by := t.template.UniqueBy; len(by) > 0 {
		parts := make([]any, len(by))
		for i, name := range by {
			if f := field(name); f.IsValid() {
				parts[i] = f.Addr().Interface()
			}
		}
		task.UniqueKey, task.UniqueFor = runtime.KeyOf(parts...), t.template.UniqueFor
	}
	if by := t.template.GroupBy; by != "" {
		if f := field(by); f.IsValid() {
			task.GroupKey = fmt.Sprint(f.Interface())
		}
	}
}

func (t *Type) invalid(err error) error {
	return fmt.Errorf("%w: the payload of a task of type %s: %w", runtime.ErrInvalidTask, t.described.Name, err)
}

// fields returns what finds a field of a payload by its name in JSON. The field is invalid if
// it is behind an embedded pointer that is nil.
func (t *Type) fields(v reflect.Value) func(name string) reflect.Value {
	return func(name string) reflect.Value {
		return fieldOf(v, t.template.Payload, t.template.Payload.Member(name))
	}
}

// fieldOf is the field of a struct that has the shape at this address.
func fieldOf(v reflect.Value, s, at *typeinfo.Shape) reflect.Value {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return reflect.Value{}
		}
		v, s = v.Elem(), s.Elem
	}
	for i := range s.Fields {
		f := &s.Fields[i].Shape
		if f == at {
			return v.Field(i)
		}
		if s.Fields[i].Name == "" {
			if found := fieldOf(v.Field(i), f, at); found.IsValid() {
				return found
			}
		}
	}
	return reflect.Value{}
}

// isZero reports whether generated code takes the value of a required field for missing. A
// type that reads itself makes nothing of null, by convention.
func isZero(v reflect.Value, s *typeinfo.Shape) bool {
	if s.Own() && string(v.Bytes()) == "null" {
		return true
	}
	if own, ok := v.Interface().(interface{ IsZero() bool }); ok {
		return own.IsZero()
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Float32, reflect.Float64:
		return v.Float() == 0 // -0, too
	}
	return v.IsZero()
}
