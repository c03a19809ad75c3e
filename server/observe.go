package server

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A heardRun is a task in the hands of a worker, as listeners hear of it. Whoever has marked its
// lease as busy may use it, and who holds the mutex of leases while nobody has.
type heardRun struct {
	queue *deliveries.Queue
	ctx   context.Context // of RunStart
	seen  observe.Run
	ended bool // RunEnd was called
	lost  bool // LeaseLost was called: nothing more is told
	// wrote is what RunEnd has changed of the task's metadata; nil: it removed the key. It
	// travels along also if the task is settled by a later call.
	wrote map[string]*string
}

// begin tells listeners that a worker has a task; nil: nobody listens. The run outlives the call
// that hands the task out.
func (s *Server) begin(ctx context.Context, q *deliveries.Queue, worker string, d *driver.Delivery) *heardRun {
	if !q.Heard() {
		return nil
	}
	r := &heardRun{queue: q, seen: observe.Run{
		Worker: worker, Type: s.typeOf(ctx, d.Task.Type), Task: d.Task,
		Attempt: d.Attempt(), Crashes: d.Crashes, Began: time.Now(), At: s.cfg.Manager.Now(),
	}}
	r.ctx = q.Start(context.Background(), &r.seen)
	return r
}

// typeOf is the name of the type whose alias a task may name.
func (s *Server) typeOf(ctx context.Context, name string) string {
	if known, ok := s.types.of(ctx, name); ok {
		return known.described.Name
	}
	return name
}

// end tells listeners what is to become of the task of a delivery, which is about to be told to
// its queue. own makes a copy of the task that listeners may change. A second call, for a lease
// that is settled again, tells nothing.
func (r *heardRun) end(d *driver.Delivery, outcome driver.Outcome, cause error, own func() *driver.Task) {
	switch {
	case r == nil, r.lost:
		return
	case r.ended:
		if len(r.wrote) > 0 && outcome != driver.Completed {
			r.write(own())
		}
		return
	}
	t := own()
	before := maps.Clone(t.Metadata)
	r.tell(t, outcome, d.Delay, cause)
	r.note(before, t.Metadata)
}

func (r *heardRun) tell(t *driver.Task, outcome driver.Outcome, delay time.Duration, cause error) {
	r.ended = true
	r.seen.Task, r.seen.Took, r.seen.Outcome, r.seen.Delay, r.seen.Err = t, time.Since(r.seen.Began), outcome, delay, cause
	r.queue.End(r.ctx, &r.seen)
}

// note keeps how metadata has changed.
func (r *heardRun) note(before, after map[string]string) {
	set := func(key string, value *string) {
		if r.wrote == nil {
			r.wrote = make(map[string]*string)
		}
		r.wrote[key] = value
	}
	for key, value := range after {
		if old, ok := before[key]; !ok || old != value {
			set(key, &value)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			set(key, nil)
		}
	}
}

// write makes the noted changes in another copy of the task.
func (r *heardRun) write(t *driver.Task) {
	for key, value := range r.wrote {
		if value == nil {
			delete(t.Metadata, key)
		} else {
			driver.SetMeta(t, key, *value)
		}
	}
}

// begins tells listeners of leases that are about to reach their worker.
func (l *leases) begins(ctx context.Context, held []*lease) {
	if len(held) == 0 || !held[0].queue.Heard() {
		return
	}
	for _, h := range held { // each is busy since add
		h.run = l.s.begin(ctx, h.queue, h.caller, h.d)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range held {
		h.busy = false
	}
}

// ends tells listeners what is to become of items, before their queues are.
func (l *leases) ends(items []*item, now time.Time) {
	for _, it := range items {
		if it.err == nil && it.verb != extends && !it.over(now) {
			it.lease.run.end(it.d, it.outcome, it.cause, it.own)
		}
	}
}

// events are what listeners are to hear once the mutex of leases is released.
type events []func()

func (e *events) tell() {
	for _, f := range *e {
		f()
	}
}

// lost notes that the lease of a run has ended, once.
func (e *events) lost(h *lease) {
	r := h.run
	if r == nil || r.lost {
		return
	}
	r.lost = true
	t := r.seen.Task
	if !r.ended { // else it has a copy of its own
		t = copyOf(t)
	}
	*e = append(*e, func() {
		r.queue.Lost(t)
		if !r.ended {
			r.tell(t, driver.Abandoned, 0, driver.ErrLeaseLost)
		}
	})
}

// settled notes that an item is settled.
func (e *events) settled(it *item) {
	r := it.lease.run
	if r == nil || r.lost || it.answer == nil {
		return
	}
	s := it.answer
	if s.Items = append(s.Items, observe.Settled{Task: r.seen.Task, Outcome: it.outcome, Ran: true}); len(s.Items) == 1 {
		*e = append(*e, func() { r.queue.Settled(s) })
	}
}

// An ending is the delivery of a task that the server itself puts back or buries.
type ending struct {
	d   *driver.Delivery
	run *heardRun // nil: no worker has had it, or nobody listens
}

// endingsOf are deliveries that no worker has had.
func endingsOf(ds []*driver.Delivery) []ending {
	all := make([]ending, len(ds))
	for i, d := range ds {
		all[i].d = d
	}
	return all
}

// own gives an ending a task that listeners may change.
func (e *ending) own() *driver.Task {
	e.d.Task = copyOf(e.d.Task)
	return e.d.Task
}

// answered tells listeners of a call that ended deliveries of a worker of one queue.
func answered(q *deliveries.Queue, worker string, all []ending, outcome driver.Outcome, began time.Time, err error) {
	if !q.Heard() {
		return
	}
	s := q.Settlement(worker, began, len(all))
	for i, e := range all {
		t := e.d.Task
		if e.run != nil {
			t = e.run.seen.Task
		}
		switch failed := driver.ErrorAt(err, i); {
		case e.run != nil && e.run.lost:
		case errors.Is(failed, driver.ErrLeaseLost):
			q.Lost(t)
		case s != nil:
			s.Items = append(s.Items, observe.Settled{Task: t, Outcome: outcome, Ran: e.run != nil, Err: failed})
		}
	}
	q.Settled(s)
}

// copyOf is a task whose metadata may be changed.
func copyOf(t *driver.Task) *driver.Task {
	c := *t
	c.Metadata = maps.Clone(t.Metadata)
	return &c
}
