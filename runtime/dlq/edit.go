package dlq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/taskgen/taskgen/internal/secretpath"
	"github.com/taskgen/taskgen/runtime"
)

// ErrInvalidPayload: an edited payload is not what its type's schema asks for, or it
// leaves open which secret belongs to a place.
var ErrInvalidPayload = errors.New("taskgen: invalid payload")

// RedriveEdited puts a letter back on its queue with another payload, which must
// fit the schema of its type; where the type has none, any JSON will do.
//
// Wherever it holds runtime.Redacted in the place of a secret, the secret stays as it
// was. An element of a list keeps its secrets when all that was shown of it is as it
// was, wherever it stands now; of elements that were shown alike, none may have moved,
// and a copy has no secrets.
// A Redacted that stands for no secret, or for one that cannot be told, is
// ErrInvalidPayload.
//
// The edited task is on the queue before the letter is removed: a crash in between
// leaves both. Errors wrap runtime.ErrTaskNotFound, ErrInvalidPayload,
// runtime.ErrUnknownType where the router does not know the type,
// runtime.ErrUnsupported, or runtime.ErrDuplicate, when a task with the ID is on the
// queue again.
func (b *Box) RedriveEdited(ctx context.Context, id string, payload []byte) error {
	t, err := b.find(ctx, id)
	if err != nil {
		return err
	}
	fail := func(err error) error { return fmt.Errorf("edit dead letter %s (%s): %w", id, t.Type, err) }
	if t.Encoding != "" {
		return fail(fmt.Errorf("%w: its payload is encoded as %q: discard it, and enqueue another task through the middleware that encodes it", runtime.ErrUnsupported, t.Encoding))
	}
	policy, known := b.policy(t.Type)
	if !known {
		return fail(fmt.Errorf("%w: nothing is known about its payload: give the box a router that handles it", runtime.ErrUnknownType))
	}
	q, err := b.m.Queue(origin(t))
	if err != nil {
		return fail(err)
	}
	edited, err := edit(t.Payload, payload, &policy)
	if err != nil {
		return fail(err)
	}
	t.Payload = edited
	if err := putBack(ctx, q, t, b.m); err != nil {
		return fail(err)
	}
	if _, err := b.shelf.discard(ctx, []string{id}); err != nil {
		return fmt.Errorf("the edited task %s is on its queue, and the letter could not be removed: %w", id, err)
	}
	return nil
}

// putBack enqueues a task that was dead, by the provider itself: its payload is as
// it travels, and passed the manager's middleware once.
func putBack(ctx context.Context, q runtime.Queue, t *runtime.Task, m *runtime.Manager) error {
	resurrect(t, q, m)
	if err := t.Validate(); err != nil {
		return err
	}
	return runtime.ErrorAt(enqueueAgain(ctx, q, []*runtime.Task{t}, m), 0)
}

// enqueueAgain enqueues tasks that were dead. What became of them until then is
// forgotten.
func enqueueAgain(ctx context.Context, q runtime.Queue, tasks []*runtime.Task, m *runtime.Manager) error {
	ids := make([]string, len(tasks))
	for i, t := range tasks {
		ids[i] = t.ID
	}
	var failed error
	tried := false
	err := m.Revive(ctx, ids, func() (moved []string) {
		tried = true
		_, failed = q.Enqueue(ctx, tasks)
		for i, id := range ids {
			if runtime.ErrorAt(failed, i) == nil {
				moved = append(moved, id)
			}
		}
		return moved
	})
	if !tried {
		return err
	}
	if err != nil { // the tasks are on their queue all the same
		slog.Default().Warn("redrive", slog.String("queue", q.Config().Name), slog.Any("error", err))
	}
	return failed
}

// resurrect makes a dead task one that its queue takes.
func resurrect(t *runtime.Task, q runtime.Queue, m *runtime.Manager) {
	cfg := q.Config()
	t.Queue = cfg.Name
	t.UniqueKey, t.UniqueFor = "", 0 // as with every redrive: the key is not taken again
	if cfg.Type == runtime.FIFO && !q.Capabilities().RefusesIDs {
		// The fifo queues of SQS take a second message for a repeated one by its ID and
		// this time, and drop it.
		t.CreatedAt = m.Now()
	}
	runtime.Unbury(t, cfg.DLQ)
}

// edit checks an edited payload and puts the secrets back.
func edit(old, edited []byte, policy *runtime.Policy) ([]byte, error) {
	v, err := decodeJSON(edited)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalidPayload, noJSON(err))
	}
	was, err := decodeJSON(old)
	if err != nil {
		was = nil // it was no JSON: there are no secrets to be had from it
	}
	if v, err = restore(v, was, secretpath.Parse(policy.Secrets), ""); err != nil {
		return nil, err
	}
	if err := validate(v, policy); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// noJSON says where a text is no JSON. It quotes nothing of it: a secret may be typed
// there.
func noJSON(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("it is no JSON, from byte %d on", syntax.Offset)
	}
	return "it is no JSON: " + err.Error()
}

// decodeJSON reads a value with its numbers as they are written.
func decodeJSON(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err = d.Decode(&v); err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is more than one value")
		}
	}
	return v, err
}
