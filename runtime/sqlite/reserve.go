package sqlite

import (
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/taskgen/taskgen/runtime/driver"
)

// On a full disk, or in a file that must not grow, no task could be leased: a lease is
// a row, and may need a page. A part of the file is therefore kept in reserve, as a
// value in taskgen_meta, which older versions ignore. It is given up when work that
// frees space has none, and no tasks are accepted before it is restored.
const (
	metaReserve  = "reserve"
	reserveBytes = 512 << 10
	// One row by its key.
	sqlReserved = `SELECT count(*) FROM taskgen_meta WHERE key = 'reserve'`
	sqlSpend    = `DELETE FROM taskgen_meta WHERE key = 'reserve'`
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

// reserve writes the reserve, and commits.
func (c *conn) reserve() error {
	if err := setMeta(c.Conn, metaReserve, strings.Repeat("0", reserveBytes)); err != nil {
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
	return w.c.plain(sqlSpend) == nil && w.c.Changes() > 0 && w.c.commit() == nil
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
