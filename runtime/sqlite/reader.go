package sqlite

import (
	"context"
	"errors"
	"sync"
)

// A reader is a connection that only reads, for one goroutine at a time.
type reader struct {
	mu       sync.Mutex
	c        *conn
	identity *fileIdentity // of the file, to fail reads of another file; may be nil
}

func newReader(path string) (*reader, error) {
	c, err := openReader(path)
	if err != nil {
		return nil, err
	}
	return &reader{c: c}, nil
}

const sqlBeginRead = `BEGIN` // takes no lock: readers and writers do not wait for each other

// do runs f in a transaction that sees one snapshot of the file. ctx interrupts it, and
// then its error is among the returned errors.
func (r *reader) do(ctx context.Context, now int64, f func(*tx)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.c == nil {
		return errClosed
	}
	r.c.SetInterrupt(ctx.Done())
	defer r.c.SetInterrupt(nil)
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.identity != nil {
		if err := r.identity.check(); err != nil {
			return err
		}
	}
	t := &tx{c: r.c, now: now, err: r.c.plain(sqlBeginRead)}
	if t.err == nil {
		f(t)
	}
	r.c.SetInterrupt(nil)
	r.c.rollback()
	if err := ctx.Err(); err != nil && t.err != nil {
		return errors.Join(err, t.err)
	}
	if r.identity != nil {
		return unavailable(r.identity.explain(t.err))
	}
	return unavailable(t.err)
}

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.c == nil {
		return nil
	}
	err := r.c.Close()
	r.c = nil
	return err
}
