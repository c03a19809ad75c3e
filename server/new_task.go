package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet/payload"
)

// runtimeKeys is how the keys of metadata begin that belong to the runtime.
const runtimeKeys = "taskgen."

// newTask makes a task of a request by the spec of its type, as an enqueue in Go does. Errors
// wrap ErrUnknownType, ErrInvalidTask or payload.ErrInvalid, and quote no secret.
func (s *Server) newTask(ctx context.Context, m *v1.NewTask) (*runtime.Task, error) {
	spec, ok := s.types.spec(m.GetType())
	if !ok {
		return nil, s.types.unknown(m.GetType())
	}
	data, name := []byte(m.GetPayload()), spec.Policy().Type
	// If the schema cannot be used, the decoder decides alone, as it does in Go.
	if err := s.types.checkers[name].Check(data); errors.Is(err, payload.ErrInvalid) {
		all, _ := s.types.list(ctx).Of(name) // with what else the fleet declares secret
		return nil, payload.Check(all, data)
	}
	opts, err := enqueueOptions(m)
	if err != nil {
		return nil, err
	}
	return spec.NewTaskJSON(data, s.cfg.Manager.Now(), opts...)
}

// enqueueOptions are what a request sets in place of what the spec says.
func enqueueOptions(m *v1.NewTask) (opts []runtime.EnqueueOption, err error) {
	if m.GetId() != "" {
		opts = append(opts, runtime.WithID(m.GetId()))
	}
	if m.Delay != nil {
		opts = append(opts, runtime.WithDelay(m.GetDelay().AsDuration()))
	}
	if m.DueAt != nil {
		at, err := timeOf(m.GetDueAt())
		if err != nil {
			return nil, fmt.Errorf("%w: due_at: %w", driver.ErrInvalidTask, err)
		}
		opts = append(opts, runtime.WithTime(at))
	}
	if m.GetQueue() != "" {
		opts = append(opts, runtime.WithQueue(m.GetQueue()))
	}
	if m.Priority != nil {
		opts = append(opts, runtime.WithPriority(int(m.GetPriority())))
	}
	if m.MaxRetries != nil {
		opts = append(opts, runtime.WithMaxRetries(int(m.GetMaxRetries())))
	}
	if m.Timeout != nil {
		opts = append(opts, runtime.WithTimeout(m.GetTimeout().AsDuration()))
	}
	for key, value := range m.GetMetadata() {
		if strings.HasPrefix(key, runtimeKeys) {
			return nil, fmt.Errorf("%w: the metadata %q: keys that begin with %q belong to the runtime", driver.ErrInvalidTask, key, runtimeKeys)
		}
		opts = append(opts, runtime.WithMetadata(key, value))
	}
	return opts, nil
}

// timeOf is the time of a message that the client has set.
func timeOf(m *timestamppb.Timestamp) (time.Time, error) {
	if err := m.CheckValid(); err != nil {
		return time.Time{}, err
	}
	return m.AsTime(), nil
}

// unknown is the error for a type that the server has no spec of.
func (t *types) unknown(name string) error {
	if len(t.own) == 0 {
		return fmt.Errorf("%w: the server has no spec of %q, nor of any other type: add the specs to its Config.Types", driver.ErrUnknownType, name)
	}
	known := make([]string, len(t.own))
	for i, o := range t.own {
		known[i] = o.Name
	}
	return fmt.Errorf("%w: the server has no spec of %q: it has those of %s", driver.ErrUnknownType, name, strings.Join(known, ", "))
}
