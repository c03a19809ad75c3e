package sqs

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Enqueue implements [driver.Queue]. It costs one request for ten tasks, or for 1 MiB of
// them. A task with a unique key fails with ErrUnsupported: SQS does not know which task
// holds a key. An ID that occurs twice in a batch fails with ErrDuplicate; one that is
// already on the queue does not, because SQS does not know it.
func (q *Queue) Enqueue(ctx context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	if err := q.checkOpen(); err != nil {
		return nil, err
	}
	e := q.state
	out := make([]driver.Enqueued, len(tasks))
	errs := make([]error, len(tasks))
	batch := make([]*outgoing, 0, len(tasks))
	seen := make(map[string]bool, len(tasks))
	can, now := q.Capabilities(), e.p.clock.Now()
	for i, t := range tasks {
		if t.Queue != q.cfg.Name {
			moved := *t
			t, moved.Queue = &moved, q.cfg.Name
		}
		errs[i] = q.cfg.Accepts(t)
		if errs[i] == nil && e.undelayed() && t.ScheduledFor.After(now) {
			errs[i] = fmt.Errorf("%w: task %s (%s) is due later, and the fifo queue %q is given without one for delayed tasks: give Existing.Later to WithQueue", driver.ErrUnsupported, t.ID, t.Type, e.name)
		}
		if errs[i] == nil {
			errs[i] = can.Accepts(t, now) // a unique key
		}
		if most := can.MaxPayload; errs[i] == nil && most != driver.Unlimited && len(t.Payload) > most {
			errs[i] = fmt.Errorf("%w: the payload of task %s (%s) has %d bytes, and an SQS queue takes %d: store the data elsewhere and send a reference, or use WithStore", driver.ErrPayloadTooLarge, t.ID, t.Type, len(t.Payload), most)
		}
		if errs[i] == nil && seen[t.ID] {
			errs[i] = fmt.Errorf("%w: %s is twice in the batch", driver.ErrDuplicate, t.ID)
		}
		if errs[i] != nil {
			continue
		}
		seen[t.ID] = true
		o, err := e.outgoing(ctx, t)
		if err != nil {
			errs[i] = err
			continue
		}
		o.index = i
		out[i] = driver.Enqueued{ID: t.ID, Queue: q.cfg.Name, DueAt: t.DueAt()}
		batch = append(batch, o)
	}
	for j, err := range e.p.send(ctx, batch) {
		if i := batch[j].index; err != nil {
			errs[i], out[i] = err, driver.Enqueued{}
		}
	}
	return out, result(errs, func(i int) string { return tasks[i].ID })
}

// outgoing makes the message of a task that is enqueued or redriven. A payload that is
// too large goes to the store.
func (e *queueState) outgoing(ctx context.Context, t *driver.Task) (*outgoing, error) {
	o := &outgoing{to: e.sourceFor(t).sqsQueue, task: t, delay: t.ScheduledFor.Sub(e.p.clock.Now())}
	if e.fifo {
		o.group, o.dedup = token(t.GroupKey), e.deduplication(t, enqueueID(t))
		if o.delay > 0 && e.later != nil {
			o.to = e.later.sqsQueue
		}
	}
	if e.onExisting {
		if err := e.encodeExisting(o); err != nil {
			return nil, err
		}
	}
	err := e.p.encodeOrStore(ctx, o)
	return o, err
}

// deduplication is the deduplication ID of a task that is sent to its group: the user's,
// or the one given.
func (e *queueState) deduplication(t *driver.Task, otherwise string) string {
	if f := e.on.DeduplicationID; f != nil {
		if id := f(t); id != "" {
			return token(id)
		}
	}
	return otherwise
}

// sourceFor is the source that a task is sent to. A level that the queue does not have
// becomes the nearest one.
func (e *queueState) sourceFor(t *driver.Task) *source {
	for _, l := range e.sources {
		if t.Priority >= l.level {
			return l
		}
	}
	return e.sources[len(e.sources)-1]
}

// enqueueID is the deduplication ID of a task: the same when one enqueue is
// repeated within five minutes, because its answer was lost, and another when the
// ID is used again for a task of its own.
func enqueueID(t *driver.Task) string {
	return token(t.ID + "/" + strconv.FormatInt(t.CreatedAt.UnixNano(), 36))
}

// encodeOrStore encodes a message. If that is too large and there is a store, it puts the
// payload there and sends the key.
func (p *Provider) encodeOrStore(ctx context.Context, o *outgoing) error {
	if o.attrs[attrStored] != "" {
		o.task = withoutPayload(o.task)
	}
	o.prepare()
	if o.raw != nil && !o.byCodec {
		if o.err != nil { // the reason alone may be too much
			o.attrs = nil
			o.prepare()
		}
		return o.err
	}
	if p.store == nil || o.attrs[attrStored] != "" || o.size <= o.to.maxSize-reserve {
		return o.err
	}
	key := token(o.task.ID) + "/" + uuid.NewString()
	if err := p.store.Put(ctx, key, o.task.Payload); err != nil {
		return fmt.Errorf("store the payload of task %s (%s): %w", o.task.ID, o.task.Type, unavailable(err))
	}
	if o.attrs == nil {
		o.attrs = make(map[string]string, 1)
	}
	o.attrs[attrStored], o.task, o.err = key, withoutPayload(o.task), nil
	if o.byCodec { // a reader of other bodies could not read this one, whatever its form
		o.raw, o.byCodec = nil, false
		delete(o.attrs, attrTask)
	}
	o.prepare()
	return o.err
}

// withoutPayload is a task without its payload: null, or nothing if it is encoded.
func withoutPayload(t *driver.Task) *driver.Task {
	c := *t
	c.Payload = []byte("null")
	if t.Encoding != "" {
		c.Payload = nil
	}
	return &c
}
