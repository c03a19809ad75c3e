package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime/driver"
)

// ErrBusy: another connection kept the file's write lock for longer than this package
// waits (10 s). It wraps [driver.ErrUnavailable].
var ErrBusy = fmt.Errorf("%w: the SQLite file is locked by another connection", driver.ErrUnavailable)

const (
	// busyLimit is how long a transaction waits for the write lock. No transaction of
	// this package takes nearly that long: only a transaction of the application does.
	busyLimit = 10 * time.Second
	// busyStep bounds one sleep between two tries. SQLite's own handler backs off to
	// 100 ms, and then a process that never pauses starves the others.
	busyStep = time.Millisecond
	// walLimit is what is left of the write-ahead log after a checkpoint.
	walLimit = 64 << 20
)

// The planner of SQLite 3.54 looks at the values of some parameters: of LIMIT,
// and of an equality if the value is 0 or 1. It prepares a statement anew whenever such a
// parameter is bound. Statements that run often write +? for it, which the planner does
// not look into.
const (
	sqlBegin       = `BEGIN IMMEDIATE`
	sqlCommit      = `COMMIT`
	sqlRollback    = `ROLLBACK`
	sqlDataVersion = `PRAGMA data_version` // changes with the commits of other connections
)

// A conn is one connection. One goroutine at a time uses it.
type conn struct {
	*sqlite.Conn
	limit time.Duration // how long begin waits
	// Counts so far: transactions, and the rows and statements in them.
	commits, steps atomic.Int64
}

// openWriter opens the connection that writes, and the file in WAL mode. The end of ctx
// interrupts the connection until that is changed with SetInterrupt.
func openWriter(ctx context.Context, path string, sync Synchronous) (*conn, error) {
	raw, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, limit: busyLimit}
	c.SetInterrupt(ctx.Done())
	// SQLite's own wait for a lock cannot be interrupted, so this package waits by itself,
	// here and in begin. Other statements need no lock.
	c.SetBusyTimeout(0)
	err = retryWhileBusy(busyLimit, func() error { return configure(raw, sync) })
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return c, nil
}

func configure(c *sqlite.Conn, sync Synchronous) error {
	for _, pragma := range []string{
		// A new file releases its free pages step by step (see tidy); on a file with
		// tables the setting has no effect.
		"auto_vacuum = INCREMENTAL",
		"journal_mode = WAL",
		"synchronous = " + string(sync),
		fmt.Sprint("journal_size_limit = ", walLimit),
		"wal_autocheckpoint = 1000", // pages: the log is copied back at every 4 MB
		"cache_size = -16000",       // 16 MB
		"temp_store = MEMORY",
	} {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+pragma, nil); err != nil {
			return err
		}
	}
	return checkWAL(c)
}

// checkWAL verifies that the file is in WAL mode: SQLite keeps another mode without an
// error if the file system lacks shared memory.
func checkWAL(c *sqlite.Conn) error {
	s, err := c.Prepare("PRAGMA journal_mode")
	if err != nil {
		return err
	}
	mode, err := sqlitex.ResultText(s)
	if err == nil && mode != "wal" {
		err = fmt.Errorf("the file is in journal mode %q and cannot be put into WAL: keep it on a local disk", mode)
	}
	return err
}

// openReader opens a connection that only reads.
func openReader(path string) (*conn, error) {
	raw, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	raw.SetBusyTimeout(busyLimit)
	return &conn{Conn: raw}, nil
}

// begin takes the write lock, and waits for it as long as the limit.
func (c *conn) begin() error {
	return retryWhileBusy(c.limit, func() error { return c.plain(sqlBegin) })
}

// retryWhileBusy does f again, at random times of at most busyStep, while the file
// is locked and the limit is not over.
func retryWhileBusy(limit time.Duration, f func() error) error {
	var end time.Time
	for {
		err := f()
		if err == nil || sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy {
			return err
		}
		now := time.Now()
		if end.IsZero() {
			end = now.Add(limit)
		}
		if now.After(end) {
			return fmt.Errorf("%w: waited %v for it: keep other transactions on the file short (%w)", ErrBusy, limit, err)
		}
		time.Sleep(busyStep/20 + rand.N(busyStep*19/20))
	}
}

// prepare implements session.
func (c *conn) prepare(query string) (statement, error) {
	s, err := c.Prepare(query)
	if err != nil {
		return nil, err // not an interface that contains a nil pointer
	}
	return s, nil
}

// run implements session.
func (c *conn) run(s statement) (changes int, err error) {
	if _, err := s.Step(); err != nil {
		return 0, err
	}
	// Reset at once: otherwise the statement would keep its bound values.
	err = s.Reset()
	return c.Changes(), err
}

// lastID implements session.
func (c *conn) lastID() int64 { return c.LastInsertRowID() }

// count implements session.
func (c *conn) count() { c.steps.Add(1) }

func (c *conn) commit() error {
	c.commits.Add(1)
	return c.plain(sqlCommit)
}

// rollback ends the transaction that is open, if one is.
func (c *conn) rollback() {
	if !c.AutocommitEnabled() {
		// It fails only if SQLite has rolled back by itself.
		_ = c.plain(sqlRollback)
	}
}

// plain runs a statement without parameters and rows.
func (c *conn) plain(query string) error {
	s, err := c.Prepare(query)
	if err != nil {
		return err
	}
	c.steps.Add(1)
	_, err = s.Step()
	return errors.Join(err, s.Reset())
}

// number returns the integer that a query without parameters gives.
func (c *conn) number(query string) (int64, error) {
	s, err := c.Prepare(query)
	if err != nil {
		return 0, err
	}
	c.steps.Add(1)
	var n int64
	ok, err := s.Step()
	if ok {
		n = s.ColumnInt64(0)
	}
	return n, errors.Join(err, s.Reset())
}
