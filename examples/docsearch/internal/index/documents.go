package index

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/examples/docsearch/internal/embed"
)

// A Document is one version of one document.
type Document struct {
	Path    string // relative to the folder, with slashes
	Version string // a hash of its content
	Title   string
	Chunks  int
	// Finished says that all chunks are in. Only finished documents are
	// searched.
	Finished bool
}

// A Chunk is one piece of a document, with its vector.
type Chunk struct {
	Path    string
	Version string
	Number  int // from 0
	Heading string
	Text    string
	Vector  embed.Vector
}

// Begin says that a version of a document consists of d.Chunks chunks, and
// returns the numbers of those that are not in yet: all of them for a new
// version, which takes the place of the one before.
func (x *Index) Begin(ctx context.Context, d Document) (missing []int, err error) {
	err = x.write(ctx, func(conn *sqlite.Conn) error {
		if err := exec(conn, `DELETE FROM chunks WHERE path = ? AND version <> ?`, d.Path, d.Version); err != nil {
			return err
		}
		// DO UPDATE only for another version: a repetition must not open a
		// finished document again.
		if err := exec(conn, `
			INSERT INTO documents (path, version, title, chunks, finished) VALUES (?, ?, ?, ?, FALSE)
			ON CONFLICT (path) DO UPDATE SET version = excluded.version, title = excluded.title,
				chunks = excluded.chunks, finished = FALSE
			WHERE version <> excluded.version`, d.Path, d.Version, d.Title, d.Chunks); err != nil {
			return err
		}
		in := make([]bool, d.Chunks)
		err := sqlitex.Execute(conn, `SELECT number FROM chunks WHERE path = ? AND version = ? AND number < ?`, &sqlitex.ExecOptions{
			Args: []any{d.Path, d.Version, d.Chunks},
			ResultFunc: func(row *sqlite.Stmt) error {
				in[row.ColumnInt(0)] = true
				return nil
			},
		})
		for number, is := range in {
			if !is {
				missing = append(missing, number)
			}
		}
		return err
	})
	return missing, err
}

// Put adds a chunk and returns how many of its document are still missing. Of
// the chunks that come in at the same time, exactly one sees 0: the two steps
// are one transaction. (A chunk that is put again later may see 0 again.)
func (x *Index) Put(ctx context.Context, c *Chunk) (missing int, err error) {
	err = x.write(ctx, func(conn *sqlite.Conn) error {
		if err := current(conn, c.Path, c.Version); err != nil {
			return err
		}
		if err := exec(conn, `
			INSERT INTO chunks (path, version, number, heading, text, vector) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, c.Path, c.Version, c.Number, c.Heading, c.Text, c.Vector.Bytes()); err != nil {
			return err
		}
		missing, err = missingChunks(conn, c.Path)
		return err
	})
	return missing, err
}

// Finish says that a version of a document is complete, and is refused while
// chunks are missing.
func (x *Index) Finish(ctx context.Context, path, version string) error {
	return x.write(ctx, func(conn *sqlite.Conn) error {
		if err := current(conn, path, version); err != nil {
			return err
		}
		missing, err := missingChunks(conn, path)
		if err != nil {
			return err
		}
		if missing > 0 {
			return fmt.Errorf("%s is not finished: %d of its chunks are missing", path, missing)
		}
		return exec(conn, `UPDATE documents SET finished = TRUE WHERE path = ?`, path)
	})
}

// Remove forgets a document.
func (x *Index) Remove(ctx context.Context, path string) error {
	return x.write(ctx, func(conn *sqlite.Conn) error {
		if err := exec(conn, `DELETE FROM chunks WHERE path = ?`, path); err != nil {
			return err
		}
		return exec(conn, `DELETE FROM documents WHERE path = ?`, path)
	})
}

// Documents returns all documents, by path.
func (x *Index) Documents(ctx context.Context) (map[string]Document, error) {
	all := make(map[string]Document)
	err := x.rows(ctx, `SELECT path, version, title, chunks, finished FROM documents`, func(row *sqlite.Stmt) error {
		d := Document{
			Path: row.ColumnText(0), Version: row.ColumnText(1), Title: row.ColumnText(2),
			Chunks: row.ColumnInt(3), Finished: row.ColumnBool(4),
		}
		all[d.Path] = d
		return nil
	})
	return all, err
}

// current fails with ErrSuperseded unless the document is at this version.
func current(conn *sqlite.Conn, path, version string) error {
	found := false
	err := sqlitex.Execute(conn, `SELECT 1 FROM documents WHERE path = ? AND version = ?`, &sqlitex.ExecOptions{
		Args:       []any{path, version},
		ResultFunc: func(*sqlite.Stmt) error { found = true; return nil },
	})
	if err == nil && !found {
		err = fmt.Errorf("%s at version %s: %w", path, version, ErrSuperseded)
	}
	return err
}

func missingChunks(conn *sqlite.Conn, path string) (n int, err error) {
	err = sqlitex.Execute(conn, `
		SELECT d.chunks - (SELECT count(*) FROM chunks c WHERE c.path = d.path AND c.version = d.version)
		FROM documents d WHERE d.path = ?`, &sqlitex.ExecOptions{
		Args:       []any{path},
		ResultFunc: func(row *sqlite.Stmt) error { n = row.ColumnInt(0); return nil },
	})
	return n, err
}
