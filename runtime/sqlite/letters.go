package sqlite

import (
	"context"
	"fmt"
	"strconv"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// One row by the index of ids and its entry in it. A new row replaces an old one, so
	// that n grows.
	sqlLetterPut = `INSERT OR REPLACE INTO taskgen_letter (id, body) VALUES (?, ?)`
	// One row by the index of ids.
	sqlLetterGet    = `SELECT body FROM taskgen_letter WHERE id = ?`
	sqlLetterDelete = `DELETE FROM taskgen_letter WHERE id = ?`
	// One row by the index of ids; no index changes.
	sqlLetterRewrite = `UPDATE taskgen_letter SET body = ?2 WHERE id = ?1`
	// The rows of a page, by their key.
	sqlLetterList = `SELECT n, body FROM taskgen_letter WHERE n > ? ORDER BY n LIMIT +?`
)

// Letters keeps dead tasks in the provider's file, as a dlq.TaskStore. It is safe for
// concurrent use, by many processes too.
type Letters struct{ p *Provider }

// Letters returns the store of dead tasks in the same file.
func (p *Provider) Letters() *Letters { return &Letters{p} }

// Put stores tasks, each replacing an earlier one with its ID. They are on disk when it
// returns, all of them or none.
func (ls *Letters) Put(ctx context.Context, tasks []*driver.Task) error {
	bodies := make([][]byte, len(tasks))
	for i, t := range tasks {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("store dead tasks: %w", err)
		}
		bodies[i] = driver.AppendEnvelope(nil, t)
	}
	err := ls.p.writer.do(ctx, len(tasks), func(t *tx) {
		for i, task := range tasks {
			s := t.prepare(sqlLetterPut, nil)
			if s == nil {
				return
			}
			s.BindText(1, task.ID)
			s.BindBytes(2, bodies[i])
			t.run(s)
		}
	})
	if err != nil {
		return fmt.Errorf("store dead tasks: %w", err)
	}
	return nil
}

// Get returns a task, or an error wrapping driver.ErrTaskNotFound.
func (ls *Letters) Get(ctx context.Context, id string) (*driver.Task, error) {
	var body []byte
	err := ls.p.reader.do(ctx, 0, func(t *tx) {
		body = nil
		r := t.queryText(sqlLetterGet, id)
		if r.next() {
			body = r.bytes(0)
		}
		r.done()
	})
	if err != nil {
		return nil, fmt.Errorf("read dead task %s: %w", id, err)
	}
	if body == nil {
		return nil, fmt.Errorf("%w: no dead task %s is stored", driver.ErrTaskNotFound, id)
	}
	return driver.DecodeEnvelope(body)
}

// List returns up to limit tasks after the cursor, in the order in which they were
// stored, and the cursor of the next page, empty after the last.
func (ls *Letters) List(ctx context.Context, cursor string, limit int) (tasks []*driver.Task, next string, err error) {
	after := int64(0)
	if cursor != "" {
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("list dead tasks: %q is not a cursor", cursor)
		}
	}
	var broken error
	more := false
	err = ls.p.reader.do(ctx, 0, func(t *tx) {
		tasks, next, more, broken = nil, "", false, nil
		r := t.query(sqlLetterList, after, int64(limit)+1)
		for r.next() {
			if more = len(tasks) == limit; more {
				break
			}
			task, err := driver.DecodeEnvelope(r.bytes(1))
			if err != nil {
				broken = err
				break
			}
			tasks, next = append(tasks, task), strconv.FormatInt(r.int(0), 10)
		}
		r.done()
	})
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("list dead tasks: %w", err)
	case broken != nil:
		return nil, "", fmt.Errorf("list dead tasks: %w", broken)
	case !more:
		next = ""
	}
	return tasks, next, nil
}

// Delete removes tasks, and returns the IDs of those that it removed.
func (ls *Letters) Delete(ctx context.Context, ids []string) (deleted []string, err error) {
	err = ls.p.writer.do(ctx, len(ids), func(t *tx) {
		deleted = nil
		for _, id := range ids {
			if t.execText(sqlLetterDelete, id) > 0 {
				deleted = append(deleted, id)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("delete dead tasks: %w", err)
	}
	return deleted, nil
}

// Swap replaces the tasks of the given deaths that are still stored, and removes those
// whose replacement is nil. It returns the deaths of the tasks that it replaced.
func (ls *Letters) Swap(ctx context.Context, was []driver.Death, with []*driver.Task) (swapped []driver.Death, err error) {
	err = ls.p.writer.do(ctx, len(was), func(t *tx) {
		swapped = nil
		for i, d := range was {
			if !t.keepsLetter(d) {
				continue
			}
			if with[i] == nil {
				t.execText(sqlLetterDelete, d.ID)
			} else if s := t.prepare(sqlLetterRewrite, nil); s != nil {
				s.BindText(1, d.ID)
				s.BindBytes(2, driver.AppendEnvelope(nil, with[i]))
				t.run(s)
			}
			swapped = append(swapped, d)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("replace dead tasks: %w", err)
	}
	return swapped, nil
}

// keepsLetter reports whether the dead task stored under the ID has the given death.
func (t *tx) keepsLetter(d driver.Death) bool {
	r := t.queryText(sqlLetterGet, d.ID)
	defer r.done()
	if !r.next() {
		return false
	}
	task, err := driver.DecodeEnvelope(r.bytes(0))
	return err == nil && driver.DeathOf(task) == d
}
