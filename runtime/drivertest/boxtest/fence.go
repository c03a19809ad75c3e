package boxtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
)

// dieAgain redrives a letter, as a colleague does, and has it die of another cause.
func (d *env) dieAgain(id string, cause error) error {
	done, err := d.boxOf(name).Redrive(d.ctx, dlq.Redrive{IDs: []string{id}})
	if err != nil || done.Moved != 1 {
		return fmt.Errorf("redrive %s: moved %d, kept %v: %w", id, done.Moved, done.Kept, err)
	}
	ds, err := d.q.Dequeue(d.ctx, 1, lease)
	if err != nil {
		return err
	}
	return d.fail(ds, cause)
}

// fail does with deliveries what a pool does after their last failure.
func (d *env) fail(ds []*driver.Delivery, cause error) error {
	for _, x := range ds {
		driver.RecordAttempt(x.Task, 1, "w 2", time.Now(), time.Millisecond, cause)
		driver.RecordDeath(x.Task, name, time.Now(), cause)
	}
	return d.q.DeadLetter(d.ctx, ds)
}

func (d *env) show(id string) dlq.Letter {
	d.Helper()
	l, err := d.box.Show(d.ctx, id)
	d.ok(err, "show "+id)
	return l
}

// refencing has one letter die again after its Ref was read.
func refencing(d *env) {
	ids := d.buryMails(3)
	old := d.show("m00")
	d.ok(d.dieAgain("m00", errors.New("another cause")), "die again")
	_, err := d.box.Show(d.ctx, old.Ref)
	d.is(err, runtime.ErrTaskNotFound, "show of an earlier death")
	d.is(d.box.RedriveEdited(d.ctx, old.Ref, []byte(`{"to":"a"}`)), runtime.ErrTaskNotFound, "an edit of an earlier death")
	gone, err := d.box.Discard(d.ctx, []string{old.Ref, "nobody"})
	d.ok(err, "discard")
	d.check(len(gone) == 0, "a later death was discarded: %q", gone)
	d.redrive(dlq.Redrive{IDs: []string{old.Ref}}, 0, "a redrive of an earlier death")
	d.lists(dlq.Filter{}, ids, "after all that")

	now := d.show("m00")
	d.check(now.Ref != old.Ref && now.Reason == "another cause" && now.RedriveCount == 1, "it is %+v", now)
	d.ok(d.box.RedriveEdited(d.ctx, now.Ref, []byte(`{"to":"new"}`)), "an edit by Ref")
	gone, err = d.box.Discard(d.ctx, []string{d.show("m01").Ref})
	d.ok(err, "discard")
	d.check(len(gone) == 1 && gone[0] == "m01", "discarded by Ref: %q", gone)
	d.redrive(dlq.Redrive{IDs: []string{d.show("m02").Ref}}, 1, "a redrive by Ref")
	d.lists(dlq.Filter{}, nil, "in the end")
	back := d.take("m00", "m02")
	d.check(string(back["m00"].Payload) == `{"to":"new"}`, "it came back with %s", back["m00"].Payload)
}

// An interceptor is a provider on whose queues something else happens when the dead have been
// listed.
type interceptor struct {
	runtime.Provider
	meanwhile func() error
}

type listedQueue interface {
	driver.Queue
	driver.Browser
	driver.Redriver
	driver.Discarder
}

type interceptedQueue struct {
	listedQueue
	of *interceptor
}

func (m *interceptor) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := m.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return interceptedQueue{q.(listedQueue), m}, nil
}

func (q interceptedQueue) Browse(ctx context.Context, state driver.State, cursor string, limit int) ([]*runtime.Task, string, error) {
	ts, next, err := q.listedQueue.Browse(ctx, state, cursor, limit)
	if f := q.of.meanwhile; f != nil && err == nil && next == "" {
		q.of.meanwhile = nil
		err = f()
	}
	return ts, next, err
}

// choosing has a letter that was chosen for one thing die of another before it is done.
func choosing(d *env) {
	if d.receives() {
		return // what was chosen is leased
	}
	p := &interceptor{Provider: d.p}
	m := runtime.NewManager(runtime.ManagerConfig{})
	d.ok(m.Open(d.ctx, p, d.q.Config()), "open the queue")
	defer func() { d.ok(m.Close(), "close it") }()
	box, err := dlq.Open(m, name, dlq.Config{Router: router(), PageSize: 7})
	d.ok(err, "open the box")
	full := dlq.Filter{Reason: "mailbox"}
	for about, do := range map[string]func() (int, error){
		"redrive": func() (int, error) {
			done, err := box.Redrive(d.ctx, dlq.Redrive{Filter: full})
			return done.Moved, err
		},
		"discard": func() (int, error) { return box.DiscardMatching(d.ctx, full) },
		"retain":  func() (int, error) { return dlq.Retention{Box: box, Age: time.Hour}.Discard(d.ctx) },
		"edit": func() (int, error) {
			err := box.RedriveEdited(d.ctx, "m00", []byte(`{"to":"a"}`))
			d.is(err, runtime.ErrTaskNotFound, "an edit of what has died again")
			return 1, box.RedriveEdited(d.ctx, "m01", []byte(`{"to":"a"}`))
		},
	} {
		for i, id := range []string{"m00", "m01"} {
			d.bury(d.q, d.mail(id), died.Add(time.Duration(i)*time.Second), errors.New("mailbox is full"))
		}
		p.meanwhile = func() error { return d.dieAgain("m00", errors.New("another cause")) }
		n, err := do()
		d.ok(err, about)
		d.check(n == 1 && p.meanwhile == nil, "%s: %d letters, want the one that is as it was read", about, n)
		d.lists(dlq.Filter{Reason: "another"}, []string{"m00"}, "left after "+about)
		d.lists(dlq.Filter{}, []string{"m00"}, "left after "+about)
		_, err = d.box.DiscardMatching(d.ctx, dlq.Filter{})
		d.ok(err, "discard the rest")
		d.drain(make(map[string]*runtime.Task))
	}
}

// few is how many letters a test works on: a look at those that are received is slow.
func (d *env) few(listedQueue, received int) int {
	if d.receives() {
		return received
	}
	return listedQueue
}

// working has a worker do something with what is on the queue, until stop is called.
func (d *env) working(do func([]*driver.Delivery) error) (stop func()) {
	ctx, cancel := context.WithCancel(d.ctx)
	var worker sync.WaitGroup
	worker.Go(func() {
		for ctx.Err() == nil {
			brief, cancel := context.WithTimeout(ctx, drainWait)
			ds, err := d.q.Dequeue(brief, 10, lease)
			cancel()
			if err == nil {
				err = do(ds)
			}
			if err != nil && !errors.Is(err, driver.ErrNoTasks) && ctx.Err() == nil {
				d.Errorf("work: %v", err)
			}
		}
	})
	return func() {
		cancel()
		worker.Wait()
	}
}

// racing edits letters beside a worker that fails each of them at once.
func racing(d *env) {
	ids := d.buryMails(d.few(40, 4))
	stop := d.working(func(ds []*driver.Delivery) error { return d.fail(ds, errors.New("still no")) })
	defer stop()
	for _, id := range ids {
		d.ok(d.box.RedriveEdited(d.ctx, id, []byte(`{"to":"new"}`)), "edit "+id)
	}
	d.dead(ids)
	for i := range ids {
		l := d.show(ids[i])
		d.check(l.RedriveCount == 1 && l.Reason == "still no" && string(l.Payload) == `{"to":"new"}`, "it is %+v, with the payload %s", l, l.Payload)
	}
}

// dead waits until letters are the given ones.
func (d *env) dead(ids []string) {
	d.Helper()
	for len(d.list(dlq.Filter{Reason: "still no"})) < len(ids) {
		d.ok(d.ctx.Err(), "wait for the last of them to die again")
	}
	d.lists(dlq.Filter{}, ids, "after all died again")
}

// competing has two people put the same letters back beside a worker that completes them.
func competing(d *env) {
	ids := d.buryMails(d.few(30, 6))
	ran := make(map[string]int)
	stop := d.working(func(ds []*driver.Delivery) error {
		for _, x := range ds {
			ran[x.Task.ID]++
		}
		return d.q.Complete(d.ctx, ds)
	})
	moved := make([]int, 3)
	boxes := []*dlq.Box{d.boxOf(name), d.boxOf(name), d.boxOf(name)}
	var people sync.WaitGroup
	for i := range moved[:2] {
		people.Go(func() {
			done, err := boxes[i].Redrive(d.ctx, dlq.Redrive{Rate: runtime.Rate{Limit: 10_000, Per: time.Second}})
			if moved[i] = done.Moved; err != nil {
				d.Errorf("redrive: %v", err)
			}
		})
	}
	people.Go(func() {
		for k := range ids {
			err := boxes[2].RedriveEdited(d.ctx, ids[len(ids)-1-k], []byte(`{"to":"new"}`))
			if err == nil {
				moved[2]++
			} else if !errors.Is(err, runtime.ErrTaskNotFound) && !errors.Is(err, runtime.ErrDuplicate) {
				d.Errorf("edit: %v", err)
			}
		}
	})
	people.Wait()
	stop()
	rest := make(map[string]*runtime.Task)
	again := d.drain(rest)
	for _, id := range d.list(dlq.Filter{}) { // some others held it when each had looked
		d.redrive(dlq.Redrive{IDs: []string{id}}, 1, "redrive the rest")
		moved[0]++
	}
	again += d.drain(rest)
	for id := range rest {
		ran[id]++
	}
	total := moved[0] + moved[1] + moved[2]
	if !d.q.Capabilities().RefusesIDs { // a move that is cut in two may be made twice
		d.check(len(ran) == len(ids) && total >= len(ids), "%d of %d tasks ran, %d were moved", len(ran), len(ids), total)
		return
	}
	for _, id := range ids {
		d.check(ran[id] == 1, "%s ran %d times", id, ran[id])
	}
	d.check(again == 0 && total == len(ids), "%d letters were moved, of %d", total, len(ids))
}
