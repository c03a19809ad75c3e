package dlq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/taskgen/taskgen/internal/secretpath"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/jsonpayload"
)

// ErrInvalidPayload: an edited payload does not fit the schema of its type, or leaves
// open which secret belongs at one of its positions.
var ErrInvalidPayload = errors.New("taskgen: invalid payload")

// RedriveEdited puts a letter back on its queue with another payload, which must fit the
// schema of its type; without a schema, any JSON is valid. The task gets the shape of its
// type as the router or Config.Types has it, and none if they do not know it.
//
// Wherever the payload has runtime.Redacted instead of a secret, the secret is kept. An
// element of a list keeps its secrets if everything shown of it is unchanged, even if it
// has moved. Of elements that were shown alike, none may have moved, and a copy has no
// secrets. A Redacted that matches no secret, or no single one, is ErrInvalidPayload.
//
// id is the ID of the task, or the Letter.Ref of the letter that was shown. With a Ref
// nothing is done if the task was redriven meanwhile and died again. On memory, SQLite
// and Redis the letter becomes the task in one step. Elsewhere the task is on its queue
// before the letter is removed, and a crash in between leaves both. A letter that was
// redriven, edited or discarded since it was read gives ErrTaskNotFound.
//
// Errors wrap runtime.ErrTaskNotFound, ErrInvalidPayload, driver.ErrUnknownType if the
// router does not know the type, runtime.ErrUnsupported, runtime.ErrDuplicate if a task
// with the ID is on the queue again, or ErrClaimed.
func (b *Box) RedriveEdited(ctx context.Context, id string, payload []byte) error {
	if s, ok := b.backend.(*receiveBackend); ok {
		return b.editReceived(ctx, s, id, payload)
	}
	t, err := b.find(ctx, id)
	if err != nil {
		return err
	}
	edited, err := b.edited(t, payload)
	if err != nil {
		return err
	}
	moved, err := b.backend.redrive(ctx, []driver.Death{driver.DeathOf(t)}, []*driver.Edit{edited})
	switch {
	case err != nil && len(moved) > 0:
		return err
	case err != nil:
		return editError(t, runtime.ErrorAt(err, 0))
	case len(moved) == 0:
		return editError(t, fmt.Errorf("%w: it was redriven or discarded meanwhile", runtime.ErrTaskNotFound))
	}
	return nil
}

// editReceived is RedriveEdited where letters can be read only by receiving them: nobody
// else has the letter meanwhile.
func (b *Box) editReceived(ctx context.Context, s *receiveBackend, id string, payload []byte) error {
	found := false
	only := selection{filter: &Filter{}, only: parseRefs([]string{id}), limiter: newLimiter(runtime.Rate{})}
	err := b.scanMatching(ctx, s, only, func(w *scan, ds []*driver.Delivery) error {
		if found {
			return nil // the letter was buried twice
		}
		found = true
		edited, err := b.edited(ds[0].Task, payload)
		if err != nil {
			return err
		}
		if _, err := b.redriveReceived(ctx, s, w, ds[:1], edited); err != nil {
			return editError(ds[0].Task, runtime.ErrorAt(err, 0))
		}
		return nil
	})
	if err == nil && !found {
		err = b.notFound(id)
	}
	return err
}

func editError(t *runtime.Task, err error) error {
	return fmt.Errorf("edit dead letter %s (%s): %w", t.ID, t.Type, err)
}

// edited checks the new payload of a letter, and puts the secrets back. Its shape is that of
// the type by which it was checked.
func (b *Box) edited(t *runtime.Task, payload []byte) (*driver.Edit, error) {
	if t.Encoding != "" {
		return nil, editError(t, fmt.Errorf("%w: its payload is encoded as %q: discard it, and enqueue another task through the middleware that encodes it", runtime.ErrUnsupported, t.Encoding))
	}
	policy, known := b.policy(t.Type)
	if !known {
		return nil, editError(t, fmt.Errorf("%w: the schema and the secrets of its payload are not known here: make the type known, by Config.Router of the box, or by Config.Types, a catalog or the fleet of the server", driver.ErrUnknownType))
	}
	edited, err := edit(t.Payload, payload, &policy)
	if err != nil {
		return nil, editError(t, err)
	}
	return &driver.Edit{Payload: edited, Shape: policy.Shape}, nil
}

// reenqueue enqueues tasks that were dead, and forgets their previous outcomes.
func reenqueue(ctx context.Context, q driver.Queue, tasks []*runtime.Task, m *runtime.Manager) error {
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
	if err != nil { // the tasks are on their queue despite the error
		slog.Default().Warn("redrive", slog.String("queue", q.Config().Name), slog.Any("error", err))
	}
	return failed
}

// prepareRedrive prepares a dead task for its queue.
func prepareRedrive(t *runtime.Task, q driver.Queue, m *runtime.Manager) {
	cfg := q.Config()
	t.Queue = cfg.Name
	t.UniqueKey, t.UniqueFor = "", 0 // no redrive takes the key again
	if cfg.Type == runtime.FIFO && !q.Capabilities().RefusesIDs {
		// The fifo queues of SQS drop a message with the ID and CreatedAt of an earlier
		// one as a repetition.
		t.CreatedAt = m.Now()
	}
	driver.ClearDeath(t, cfg.DLQ)
}

// edit checks an edited payload and puts the secrets back.
func edit(old, edited []byte, policy *runtime.Policy) ([]byte, error) {
	v, err := jsonpayload.Decode(edited)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalidPayload, jsonpayload.SyntaxError(err))
	}
	was, err := jsonpayload.Decode(old)
	if err != nil {
		was = nil // not JSON: no secrets can be taken from it
	}
	if v, err = restore(v, was, secretpath.Parse(policy.Secrets), ""); err != nil {
		return nil, err
	}
	if err := validate(v, policy); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// validate checks a payload against the schema of its type.
func validate(v any, policy *runtime.Policy) error {
	err := jsonpayload.Check(v, policy.Type, policy.Schema, policy.Secrets)
	var mismatch *jsonpayload.Mismatch
	if errors.As(err, &mismatch) {
		return fmt.Errorf("%w: %w", ErrInvalidPayload, err)
	}
	return err
}
