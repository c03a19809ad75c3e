package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Tx returns an enqueuer that puts tasks on the provider's open queues within
// the transaction that is open on c: they are there when it commits, together
// with everything else it wrote, and were never there when it is rolled back.
// Give it to Manager.Through, so that validation and middleware have their say.
//
// c is a connection of the caller's to the same file, and the transaction was
// begun with BEGIN IMMEDIATE: one that begins by reading may find out that
// somebody else has written since (SQLITE_BUSY_SNAPSHOT). While it is open every
// other writer of the file waits, the provider included: keep it short, and do
// not call the provider's own Enqueue from within, which would wait for itself
// for 10 s and then fail with [ErrBusy].
//
// A failed call leaves the transaction as it was before the call. Consumers are
// woken by the provider's look at the file, within some milliseconds of the
// commit, in this process as in others. Connections of database/sql cannot be
// used: their drivers do not let this package at them.
func (p *Provider) Tx(c *sqlite.Conn) runtime.Enqueuer {
	return &txEnqueuer{p: p, c: &conn{Conn: c}}
}

type txEnqueuer struct {
	p *Provider
	c *conn
}

// Enqueue implements [runtime.Enqueuer].
func (e *txEnqueuer) Enqueue(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if e.c.AutocommitEnabled() {
		return nil, errors.New("taskgen: no transaction is open on the connection: begin one with BEGIN IMMEDIATE, and commit it afterwards")
	}
	if err := errors.Join(e.sameFile(), e.p.writer.place.check()); err != nil {
		return nil, err
	}
	queues, err := e.queues(tasks)
	if err != nil {
		return nil, err
	}
	answers := make([]runtime.Enqueued, len(tasks))
	failed := new(runtime.BatchError)
	if err := e.add(queues, tasks, answers, failed); err != nil {
		return nil, fmt.Errorf("enqueue in the caller's transaction: %w", noRoom(err))
	}
	return answers, failed.OrNil()
}

// add enqueues what can be, in a savepoint: an error of the file leaves nothing
// of it behind.
func (e *txEnqueuer) add(queues []*Queue, tasks []*runtime.Task, answers []runtime.Enqueued, failed *runtime.BatchError) (err error) {
	defer sqlitex.Save(e.c.Conn)(&err)
	t := &tx{c: e.c, now: e.p.clock.Now().UnixNano()}
	for i, task := range tasks {
		q := queues[i]
		entries := q.encode([]*runtime.Task{task})
		t.enqueue(t.state(q.id), q.cfg.Capacity, entries, answers[i:i+1])
		failed.Add(i, task.ID, entries[0].err)
	}
	t.save()
	return t.err
}

// sameFile sees to it that the connection is to the provider's file.
func (e *txEnqueuer) sameFile() error {
	file, err := getMeta(e.c.Conn, metaFile)
	if err != nil || file != e.p.file {
		return errors.Join(fmt.Errorf("taskgen: the connection is not to the provider's file %q", e.p.path), err)
	}
	return nil
}

func (e *txEnqueuer) queues(tasks []*runtime.Task) ([]*Queue, error) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	if e.p.closed {
		return nil, errClosed
	}
	queues := make([]*Queue, len(tasks))
	for i, t := range tasks {
		open := e.p.queues[t.Queue]
		if len(open) == 0 {
			return nil, fmt.Errorf("%w %q: open it on the provider of the transaction first", runtime.ErrUnknownQueue, t.Queue)
		}
		queues[i] = open[len(open)-1]
	}
	return queues, nil
}
