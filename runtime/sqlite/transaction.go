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
	// No row: it takes the write lock, where the transaction has not got it.
	sqlLock = `UPDATE taskgen_meta SET value = value WHERE key = ''`
	// One row for each file of the connection.
	sqlFiles = `PRAGMA database_list`

	sqlSave     = `SAVEPOINT taskgen_enqueue`
	sqlUnsave   = `ROLLBACK TO taskgen_enqueue`
	sqlSaveDone = `RELEASE taskgen_enqueue`
)

// Tx returns an enqueuer that puts tasks on the provider's open queues within
// the transaction that is open on c: they are there when it commits, together
// with everything else it wrote, and were never there when it is rolled back.
// Give it to Manager.Through, so that validation and middleware have their say.
// [Provider.SQLTx] is the same for a transaction of database/sql.
//
// c is a connection of the caller's to the same file, and the transaction was
// begun with BEGIN IMMEDIATE: one that begins by reading may find out that
// somebody else has written since (SQLITE_BUSY_SNAPSHOT, which wraps [ErrBusy]
// here). While it is open every other writer of the file waits, the provider
// included: keep it short, and do not call the provider's own Enqueue from
// within, which would wait for itself for 10 s and then fail with [ErrBusy].
//
// A failed call leaves the transaction as it was before the call, unless SQLite rolls
// all of it back, as it may where the disk is full; then further calls fail. ctx is
// looked at when a call begins, and does not interrupt it. Consumers are woken by the
// provider's look at the file, within some milliseconds of the commit, in this
// process as in others.
func (p *Provider) Tx(c *sqlite.Conn) driver.Enqueuer {
	return &txEnqueuer{p: p, open: func(context.Context) (session, error) {
		if c.AutocommitEnabled() {
			return nil, errNoTransaction
		}
		return &conn{Conn: c}, nil
	}}
}

// SQLTx is [Provider.Tx] for a transaction of database/sql, with any driver of SQLite:
// modernc.org/sqlite and mattn's go-sqlite3 are two. The file that the provider has open
// is the main one of the connection, or one that it has attached.
//
// Have the driver begin with BEGIN IMMEDIATE and wait for the write lock. Modernc's does
// with _txlock=immediate&_pragma=busy_timeout(10000) in the data source name, mattn's
// with _txlock=immediate&_busy_timeout=10000. Else a call whose transaction has read
// before, or comes while another is open, fails with [ErrBusy]. Begin again then.
//
// A call must not run beside other uses of tx, as a query whose rows are still open.
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
	if err := errors.Join(e.sameFile(s), e.p.writer.place.check()); err != nil {
		return nil, err
	}
	answers := make([]driver.Enqueued, len(tasks))
	failed := new(driver.BatchError)
	if err := e.add(s, queues, tasks, answers, failed); err != nil {
		return nil, fmt.Errorf("enqueue in the caller's transaction: %w", noRoom(err))
	}
	return answers, failed.OrNil()
}

// add enqueues what can be, in a savepoint: an error of the file leaves nothing
// of it behind.
func (e *txEnqueuer) add(s session, queues []*Queue, tasks []*driver.Task, answers []driver.Enqueued, failed *driver.BatchError) error {
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
		// Both fail only where SQLite has rolled the whole transaction back by itself.
		_, _ = s.plain(sqlUnsave), s.plain(sqlSaveDone)
		return t.err
	}
	return s.plain(sqlSaveDone)
}

// sameFile takes the write lock, and sees to it that the transaction is on the
// provider's file.
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
		return fmt.Errorf("enqueue in the caller's transaction: %w", noRoom(t.err))
	case t.err != nil || file != e.p.file || !e.p.writer.place.among(paths):
		return errors.Join(fmt.Errorf("taskgen: the connection is not to the provider's file %q", e.p.path), t.err)
	}
	return nil
}

func (e *txEnqueuer) queues(tasks []*driver.Task) ([]*Queue, error) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	if e.p.closed {
		return nil, errClosed
	}
	queues := make([]*Queue, len(tasks))
	for i, t := range tasks {
		open := e.p.queues[t.Queue]
		if len(open) == 0 {
			return nil, fmt.Errorf("%w %q: open it on the provider of the transaction first", driver.ErrUnknownQueue, t.Queue)
		}
		queues[i] = open[len(open)-1]
	}
	return queues, nil
}
