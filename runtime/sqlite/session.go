package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"
)

// A session is the connection of an open transaction: the provider's own or the
// application's.
type session interface {
	// plain runs a statement without parameters and rows.
	plain(query string) error
	prepare(query string) (statement, error)
	// run runs a statement without result rows, resets it, and returns how many rows it
	// changed.
	run(statement) (changes int, err error)
	// lastID is the key of the row that was inserted last.
	lastID() int64
	// count counts one more step of a statement.
	count()
}

// A statement of a session has parameters, which count from 1, and a current row, whose
// columns count from 0.
type statement interface {
	BindInt64(param int, value int64)
	BindText(param int, value string)
	BindBytes(param int, value []byte)
	// Step goes to the next row, or reports false after the last one.
	Step() (bool, error)
	Reset() error
	ColumnInt64(col int) int64
	ColumnText(col int) string
	ColumnIsNull(col int) bool
	ColumnLen(col int) int
	ColumnBytes(col int, buf []byte) int
}

// A sqlSession is a transaction of database/sql, with any driver.
type sqlSession struct {
	ctx  context.Context // never ends: an interrupted driver may roll the transaction back
	tx   *sql.Tx
	last int64
}

// newSQLSession returns an error if tx is over, or SQLite has rolled it back: writes
// would then take effect at once.
func newSQLSession(ctx context.Context, tx *sql.Tx) (*sqlSession, error) {
	s := &sqlSession{ctx: context.WithoutCancel(ctx), tx: tx}
	// The only test for an open transaction in SQL: a nested one is refused.
	err := s.plain("BEGIN")
	switch {
	case err == nil:
		return nil, errors.Join(errNoTransaction, s.plain(sqlRollback))
	case strings.Contains(err.Error(), "within a transaction"):
		return s, nil
	}
	return nil, fmt.Errorf("enqueue in the caller's transaction: %w", err)
}

// plain implements session.
func (s *sqlSession) plain(query string) error {
	_, err := s.tx.ExecContext(s.ctx, query)
	return withCode(err)
}

// prepare implements session.
func (s *sqlSession) prepare(query string) (statement, error) {
	return &sqlStatement{session: s, query: query}, nil
}

// run implements session.
func (s *sqlSession) run(st statement) (changes int, err error) {
	q := st.(*sqlStatement)
	done, err := s.tx.ExecContext(s.ctx, q.query, q.args...)
	if err != nil {
		return 0, withCode(err)
	}
	n, err := done.RowsAffected()
	if err == nil {
		s.last, err = done.LastInsertId()
	}
	return int(n), err
}

// lastID implements session.
func (s *sqlSession) lastID() int64 { return s.last }

// count implements session.
func (s *sqlSession) count() {}

// withCode gives an error the codes that this package uses. The drivers of database/sql
// have no common error type, but the texts of SQLite itself.
func withCode(err error) error {
	if err == nil {
		return nil
	}
	for code, words := range map[sqlite.ResultCode]string{
		sqlite.ResultBusy:  "database is locked",
		sqlite.ResultFull:  "database or disk is full",
		sqlite.ResultIOErr: "disk I/O error",
	} {
		if strings.Contains(err.Error(), words) {
			return &codedError{code.ToError(), err}
		}
	}
	return err
}

// A codedError has the text of the driver's error.
type codedError struct{ code, err error }

func (e *codedError) Error() string   { return e.err.Error() }
func (e *codedError) Unwrap() []error { return []error{e.code, e.err} }

// A sqlStatement keeps its parameters until it is run, and all rows of its result: in a
// transaction of the caller no result has many.
type sqlStatement struct {
	session  *sqlSession
	query    string
	args     []any
	executed bool
	rows     [][]any // the first is the current one
}

func (q *sqlStatement) bind(param int, value any) {
	for len(q.args) < param {
		q.args = append(q.args, nil)
	}
	q.args[param-1] = value
}

// BindInt64 implements statement.
func (q *sqlStatement) BindInt64(param int, value int64) { q.bind(param, value) }

// BindText implements statement.
func (q *sqlStatement) BindText(param int, value string) { q.bind(param, value) }

// BindBytes implements statement.
func (q *sqlStatement) BindBytes(param int, value []byte) { q.bind(param, value) }

// Step implements statement.
func (q *sqlStatement) Step() (bool, error) {
	if !q.executed {
		q.executed = true
		err := q.execute()
		return len(q.rows) > 0, withCode(err)
	}
	if len(q.rows) > 0 {
		q.rows = q.rows[1:]
	}
	return len(q.rows) > 0, nil
}

func (q *sqlStatement) execute() (err error) {
	found, err := q.session.tx.QueryContext(q.session.ctx, q.query, q.args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	names, err := found.Columns()
	if err != nil {
		return err
	}
	for found.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			return err
		}
		q.rows = append(q.rows, row)
	}
	return found.Err()
}

// Reset implements statement.
func (q *sqlStatement) Reset() error {
	q.rows = nil
	return nil
}

// ColumnInt64 implements statement.
func (q *sqlStatement) ColumnInt64(col int) int64 {
	n, _ := q.rows[0][col].(int64)
	return n
}

// ColumnText implements statement.
func (q *sqlStatement) ColumnText(col int) string {
	switch v := q.rows[0][col].(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

// ColumnIsNull implements statement.
func (q *sqlStatement) ColumnIsNull(col int) bool { return q.rows[0][col] == nil }

// ColumnLen implements statement.
func (q *sqlStatement) ColumnLen(col int) int { return len(q.ColumnText(col)) }

// ColumnBytes implements statement.
func (q *sqlStatement) ColumnBytes(col int, buf []byte) int { return copy(buf, q.ColumnText(col)) }
