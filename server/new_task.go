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

// newTask makes a task of a request by the spec of its type, as an enqueue in Go does, or by
// the description of a type without one. Errors wrap ErrUnknownType, ErrInvalidTask or
// payload.ErrInvalid, and quote no secret.
func (s *Server) newTask(ctx context.Context, m *v1.NewTask) (*runtime.Task, error) {
	known, ok := s.types.of(ctx, m.GetType())
	switch {
	case !ok:
		return nil, s.types.unknown(ctx, m.GetType())
	case known.maker == nil:
		return nil, fmt.Errorf("%w: %w", driver.ErrUnknownType, known.refused)
	}
	data := []byte(m.GetPayload())
	// If the schema cannot be used, the decoder decides alone, as it does in Go.
	if err := known.checker.Check(data); errors.Is(err, payload.ErrInvalid) {
		all, _ := s.types.list(ctx).Of(known.described.Name) // with what else the fleet declares secret
		return nil, payload.Check(all, data)
	}
	opts, err := enqueueOptions(m)
	if err != nil {
		return nil, err
	}
	return known.maker.NewTaskJSON(data, s.cfg.Manager.Now(), opts...)
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

// unknown is the error for a type of which the server knows nothing.
func (t *types) unknown(ctx context.Context, name string) error {
	knows := "it knows no type"
	if all := t.list(ctx); len(all) > 0 {
		names := make([]string, len(all))
		for i, d := range all {
			names[i] = d.Name
		}
		knows = "it knows " + strings.Join(names, ", ")
	}
	mend := "start a worker of the type, which publishes it in the server's fleet"
	if t.s.cfg.Fleet == nil {
		mend = "give the server the fleet of the workers that have it"
	}
	return fmt.Errorf("%w: the server knows nothing of %q: %s: %s, or give the server a catalog that has it, which taskgen -catalog writes", driver.ErrUnknownType, name, knows, mend)
}
