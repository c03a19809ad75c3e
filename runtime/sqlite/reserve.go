package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime/driver"
)

// On a full disk, or in a file that must not grow, no task could be leased: a lease is
// a row, and may need a page. A part of the file is therefore kept in reserve, as a
// large row of a table of its own. It is given up when work that frees space has none,
// and no tasks are accepted before it is restored.
//
// Every transaction that adds tasks looks the row up. It has an integer key: where a key
// is text, SQLite reads a row as a whole to compare it.
const (
	reserveBytes = 512 << 10
	// One row by its key.
	sqlReserved   = `SELECT count(*) FROM taskgen_reserve WHERE id = 1`
	sqlReserve    = `INSERT INTO taskgen_reserve (id, space) VALUES (1, zeroblob(?))`
	sqlSpend      = `DELETE FROM taskgen_reserve WHERE id = 1`
	sqlSpendOlder = `DELETE FROM taskgen_meta WHERE key = 'reserve'` // where older builds have it
)

// isFull reports whether an error says that the file cannot grow.
func isFull(err error) bool {
	code := sqlite.ErrCode(err)
	return code.ToPrimary() == sqlite.ResultFull || code == sqlite.ResultIOErrSHMSize
}

// queueFullError is the error of a caller whose tasks were not accepted; nil for nil.
func queueFullError(err error) error {
	if err == nil || !isFull(err) {
		return err
	}
	return fmt.Errorf("%w: its disk or its SQLite file is full: make room, or enqueue again once workers have caught up: %w", driver.ErrQueueFull, err)
}

// reserve ensures that there is a reserve. A transaction is open before, and afterwards
// unless there is an error.
func (w *writer) reserve() error {
	n, err := w.c.number(sqlReserved)
	if err != nil || n > 0 {
		return err
	}
	// In its own transaction: what comes next may fail.
	if err := w.c.reserve(); err != nil {
		return err
	}
	return w.begin()
}

// reserve writes the reserve, in place of that of an older build, and commits.
func (c *conn) reserve() error {
	if err := c.plain(sqlSpendOlder); err != nil {
		return err
	}
	if err := sqlitex.Execute(c.Conn, sqlReserve, &sqlitex.ExecOptions{Args: []any{reserveBytes}}); err != nil {
		return err
	}
	return c.commit()
}

// spendReserve gives up the reserve, and reports whether there was one.
func (w *writer) spendReserve() bool {
	if w.begin() != nil {
		return false
	}
	defer w.c.rollback()
	spent := 0
	for _, spend := range []string{sqlSpend, sqlSpendOlder} {
		if w.c.plain(spend) != nil {
			return false
		}
		spent += w.c.Changes()
	}
	return spent > 0 && w.c.commit() == nil
}

// admit refuses the calls that add tasks if there is no reserve and no space for one, and
// returns the others. A transaction is open before and after, unless the error is set.
func (w *writer) admit(calls []*call) ([]*call, error) {
	grows := false
	for _, cl := range calls {
		grows = grows || cl.grows
	}
	if !grows {
		return calls, nil
	}
	err := w.reserve()
	if err == nil {
		return calls, nil
	}
	w.c.rollback()
	rest := calls[:0]
	for _, cl := range calls {
		if cl.grows {
			cl.answer(err)
		} else {
			rest = append(rest, cl)
		}
	}
	return rest, w.begin()
}
