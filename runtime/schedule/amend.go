package schedule

import (
	"maps"
	"slices"

	"github.com/taskgen/taskgen/runtime"
)

// amend returns the task of a job with another payload.
func amend[T any](have *runtime.Task, spec *runtime.Spec[T], payload *T, opts []runtime.EnqueueOption) (*runtime.Task, error) {
	if have.Type == spec.Type || slices.Contains(spec.Aliases, have.Type) {
		opts = append([]runtime.EnqueueOption{keepOptions(have, spec)}, opts...)
	}
	return runtime.NewTask(spec, payload, have.CreatedAt, opts...)
}

// keepOptions makes a task with another payload take over everything else from the previous
// task. The spec makes the keys that it made from the old payload from the new one.
func keepOptions[T any](have *runtime.Task, spec *runtime.Spec[T]) runtime.EnqueueOption {
	return func(t *runtime.Task) {
		t.Queue, t.Priority, t.Timeout = have.Queue, have.Priority, have.Timeout
		t.MaxRetries, t.RetryCount = have.MaxRetries, have.RetryCount
		t.Metadata = maps.Clone(have.Metadata)
		unique, group := derivedKeys(have, spec)
		if !unique {
			t.UniqueKey, t.UniqueFor = have.UniqueKey, have.UniqueFor
		}
		if !group {
			t.GroupKey = have.GroupKey
		}
	}
}

// derivedKeys reports which keys of a task the spec makes from its payload. For a payload that
// cannot be read (sealed, or of another version) it reports the keys that the spec could
// make.
func derivedKeys[T any](have *runtime.Task, spec *runtime.Spec[T]) (unique, group bool) {
	unique, group = spec.UniqueKey != nil, spec.GroupKey != nil
	if !unique && !group {
		return false, false
	}
	v, err := spec.Decode(have)
	if err != nil {
		return unique, group
	}
	return unique && spec.UniqueKey(&v) == have.UniqueKey, group && spec.GroupKey(&v) == have.GroupKey
}
