// Package index keeps documents, their chunks and the chunks' vectors in one
// SQLite file, and answers queries from it.
//
// Tasks are delivered at least once, so every write may be repeated: it is keyed
// by what it is about (a document's path and version, a chunk's number), and
// saying it twice changes nothing.
package index

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// ErrSuperseded says that the index holds another version of the document by
// now, or none: what comes for the old one is no longer wanted.
var ErrSuperseded = errors.New("another version of the document took its place")

// An Index is safe for use by many goroutines: one connection, one at a time.
type Index struct {
	mu   sync.Mutex
	conn *sqlite.Conn
}

const schema = `
	CREATE TABLE IF NOT EXISTS documents (
		path     TEXT PRIMARY KEY,
		version  TEXT NOT NULL,
		title    TEXT NOT NULL,
		chunks   INTEGER NOT NULL,
		finished BOOLEAN NOT NULL
	) WITHOUT ROWID;
	CREATE TABLE IF NOT EXISTS chunks (
		path    TEXT NOT NULL,
		version TEXT NOT NULL,
		number  INTEGER NOT NULL,
		heading TEXT NOT NULL,
		text    TEXT NOT NULL,
		vector  BLOB NOT NULL,
		PRIMARY KEY (path, version, number)
	);
`

// Open opens the index in the file at path and makes it when it is not there.
// An empty path: in memory, gone with the process.
func Open(path string) (*Index, error) {
	where := path
	if where == "" {
		where = ":memory:"
	}
	conn, err := sqlite.OpenConn(where, sqlite.OpenReadWrite, sqlite.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("open the index %s: %w", where, err)
	}
	// FULL: a chunk's task leaves the queue once Put has returned, so from then
	// on a power cut must not take the chunk away.
	for _, pragma := range []string{"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA busy_timeout=5000"} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("open the index %s: %s: %w", where, pragma, err), conn.Close())
		}
	}
	if err := sqlitex.ExecuteScript(conn, schema, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("open the index %s: %w", where, err), conn.Close())
	}
	return &Index{conn: conn}, nil
}

// Close closes the file. What is written stays.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.conn.Close()
}

// write runs f in a transaction that is rolled back when f fails or ctx ends.
func (x *Index) write(ctx context.Context, f func(*sqlite.Conn) error) (err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.conn.SetInterrupt(x.conn.SetInterrupt(ctx.Done()))
	defer func() { err = explained(ctx, err) }()
	end, err := sqlitex.ImmediateTransaction(x.conn)
	if err != nil {
		return fmt.Errorf("write to the index: %w", err)
	}
	defer end(&err)
	return f(x.conn)
}

// explained adds the reason to SQLite's word that it was interrupted.
func explained(ctx context.Context, err error) error {
	if sqlite.ErrCode(err) == sqlite.ResultInterrupt && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// rows runs a query and calls row for each of its rows.
func (x *Index) rows(ctx context.Context, query string, row func(*sqlite.Stmt) error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.conn.SetInterrupt(x.conn.SetInterrupt(ctx.Done()))
	if err := sqlitex.Execute(x.conn, query, &sqlitex.ExecOptions{ResultFunc: row}); err != nil {
		return explained(ctx, fmt.Errorf("read the index: %w", err))
	}
	return nil
}

func exec(conn *sqlite.Conn, query string, args ...any) error {
	return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args})
}
