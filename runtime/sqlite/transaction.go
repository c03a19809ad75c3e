package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// No row: it takes the write lock, if the transaction does not have it.
	sqlLock = `UPDATE taskgen_meta SET value = value WHERE key = ''`
	// One row for each file of the connection.
	sqlFiles = `PRAGMA database_list`

	sqlSave     = `SAVEPOINT taskgen_enqueue`
	sqlUnsave   = `ROLLBACK TO taskgen_enqueue`
	sqlSaveDone = `RELEASE taskgen_enqueue`
)

// Tx returns an enqueuer that puts tasks on the provider's open queues in the
// transaction that is open on c. The tasks are enqueued when it commits, together with
// everything else it wrote, and never if it is rolled back. Pass the enqueuer to
// Manager.Through, so that validation and middleware apply. [Provider.SQLTx] is the
// same for a transaction of database/sql.
//
// c is a connection of the caller to the same file, and the transaction must have begun
// with BEGIN IMMEDIATE: a transaction that begins with a read may fail because another
// connection has written since (SQLITE_BUSY_SNAPSHOT, which wraps [ErrBusy] here).
// While it is open every other writer of the file waits, including the provider. Keep
// it short, and do not call the provider's own Enqueue inside it, which would wait for
// itself for 10 s and then fail with [ErrBusy].
//
// A failed call leaves the transaction as it was before the call, unless SQLite rolls all
// of it back, as it may on a full disk; then further calls fail. ctx is checked at the
// start of a call, and does not interrupt it. A Dequeue that waits, in any process, sees
// the commit within some milliseconds.
func (p *Provider) Tx(c *sqlite.Conn) driver.Enqueuer {
	return &txEnqueuer{p: p, open: func(context.Context) (session, error) {
		if c.AutocommitEnabled() {
			return nil, errNoTransaction
		}
		return &conn{Conn: c}, nil
	}}
}

// SQLTx is [Provider.Tx] for a transaction of database/sql, with any driver for SQLite,
// such as modernc.org/sqlite and mattn's go-sqlite3. The provider's file must be the main
// file of the connection, or attached to it.
//
// Make the driver begin with BEGIN IMMEDIATE and wait for the write lock: with
// _txlock=immediate&_pragma=busy_timeout(10000) in the data source name of modernc's, or
// _txlock=immediate&_busy_timeout=10000 in that of mattn's. Otherwise a call fails with
// [ErrBusy] if its transaction has read before, or if another one is open. Then begin
// again.
//
// A call must not run concurrently with other uses of tx, such as a query with open rows.
func (p *Provider) SQLTx(tx *sql.Tx) driver.Enqueuer {
	return &txEnqueuer{p: p, open: func(ctx context.Context) (session, error) { return newSQLSession(ctx, tx) }}
}

var errNoTransaction = errors.New("taskgen: no transaction is open on the connection: begin one with BEGIN IMMEDIATE, and commit it afterwards")

type txEnqueuer struct {
	p    *Provider
	open func(context.Context) (session, error) // on the caller's transaction
}

// Enqueue implements [driver.Enqueuer].
func (e *txEnqueuer) Enqueue(ctx context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	queues, err := e.queues(tasks)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(e.sameFile(s), e.p.writer.identity.check()); err != nil {
		return nil, err
	}
	answers := make([]driver.Enqueued, len(tasks))
	failed := new(driver.BatchError)
	if err := e.add(s, queues, tasks, answers, failed); err != nil {
		return nil, fmt.Errorf("enqueue in the caller's transaction: %w", queueFullError(unavailable(err)))
	}
	return answers, failed.OrNil()
}

// add enqueues the valid tasks in a savepoint: after an error of the file nothing
// remains.
func (e *txEnqueuer) add(s session, queues []*queue, tasks []*driver.Task, answers []driver.Enqueued, failed *driver.BatchError) error {
	if err := s.plain(sqlSave); err != nil {
		return err
	}
	t := &tx{c: s, now: e.p.clock.Now().UnixNano()}
	for i, task := range tasks {
		q := queues[i]
		entries := q.encode([]*driver.Task{task})
		t.enqueue(t.state(q.id), q.cfg.Capacity, entries, answers[i:i+1])
		failed.Add(i, task.ID, entries[0].err)
	}
	t.save()
	if t.err != nil {
		// Both fail only if SQLite has rolled the whole transaction back by itself.
		_, _ = s.plain(sqlUnsave), s.plain(sqlSaveDone)
		return t.err
	}
	return s.plain(sqlSaveDone)
}

// sameFile takes the write lock, and verifies that the transaction is on the provider's
// file.
func (e *txEnqueuer) sameFile(s session) error {
	t := &tx{c: s}
	t.exec(sqlLock)
	file := ""
	if r := t.queryText(sqlMetaGet, metaFile); r.next() {
		file = r.text(0)
		r.done()
	}
	var paths []string
	for r := t.query(sqlFiles); r.next(); {
		paths = append(paths, r.text(2))
	}
	switch {
	case t.err != nil && sqlite.ErrCode(t.err).ToPrimary() == sqlite.ResultBusy:
		return fmt.Errorf("%w: begin the transaction with BEGIN IMMEDIATE, on a connection with a busy timeout (%w)", ErrBusy, t.err)
	case t.err != nil && !strings.Contains(t.err.Error(), "no such table"):
		return fmt.Errorf("enqueue in the caller's transaction: %w", queueFullError(unavailable(t.err)))
	case t.err != nil || file != e.p.file || !e.p.writer.identity.matchesAny(paths):
		return errors.Join(fmt.Errorf("sqlite: the connection is not to the provider's file %q", e.p.path), t.err)
	}
	return nil
}

func (e *txEnqueuer) queues(tasks []*driver.Task) ([]*queue, error) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	if e.p.closed {
		return nil, errClosed
	}
	queues := make([]*queue, len(tasks))
	for i, t := range tasks {
		open := e.p.queues[t.Queue]
		if len(open) == 0 {
			return nil, fmt.Errorf("%w %q: open it on the provider of the transaction first", driver.ErrUnknownQueue, t.Queue)
		}
		queues[i] = open[len(open)-1]
	}
	return queues, nil
}
