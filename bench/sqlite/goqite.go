package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver of goqite's documentation
	"maragu.dev/goqite"
)

// peer is goqite, with some messages in each transaction.
type peer struct {
	db    *sql.DB
	q     *goqite.Queue
	batch int
}

func openGoqite(batch int) func(ctx context.Context, path string) (queue, error) {
	return func(ctx context.Context, path string) (queue, error) {
		schema, err := goqiteSchema(ctx)
		if err != nil {
			return nil, err
		}
		db, err := sql.Open("sqlite3", path+"?_journal=WAL&_timeout=5000&_fk=true&_synchronous=FULL")
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		db.SetMaxIdleConns(1)
		if _, err := db.ExecContext(ctx, schema); err != nil {
			return nil, err
		}
		return &peer{db: db, q: goqite.New(goqite.NewOpts{DB: db, Name: "q", Timeout: lease}), batch: batch}, nil
	}
}

// goqiteSchema reads the schema that comes with the module.
func goqiteSchema(ctx context.Context) (string, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "maragu.dev/goqite").Output()
	if err != nil {
		return "", fmt.Errorf("where goqite is: %w: run this inside the module bench", err)
	}
	schema, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema_sqlite.sql"))
	return string(schema), err
}

func (p *peer) enqueue(ctx context.Context, n int) error {
	for n > 0 {
		did, err := p.once(ctx, n, func(tx *sql.Tx) (bool, error) {
			m := goqite.Message{Body: payload}
			if tx == nil {
				return true, p.q.Send(ctx, m)
			}
			return true, p.q.SendTx(ctx, tx, m)
		})
		if err != nil {
			return err
		}
		n -= did
	}
	return nil
}

func (p *peer) drain(ctx context.Context, n int) error {
	for n > 0 {
		var ids []goqite.ID
		did, err := p.once(ctx, n, func(tx *sql.Tx) (bool, error) {
			m, err := p.receive(ctx, tx)
			if err != nil || m == nil {
				return false, err
			}
			ids = append(ids, m.ID)
			return true, nil
		})
		if err != nil {
			return err
		}
		if did == 0 {
			// It has no way to wait: its own runner looks every 100 ms. A millisecond
			// costs it less here.
			time.Sleep(time.Millisecond)
		}
		for len(ids) > 0 {
			done, err := p.once(ctx, len(ids), func(tx *sql.Tx) (bool, error) {
				id := ids[0]
				ids = ids[1:]
				if tx == nil {
					return true, p.q.Delete(ctx, id)
				}
				return true, p.q.DeleteTx(ctx, tx, id)
			})
			if err != nil {
				return err
			}
			n -= done
		}
	}
	return nil
}

func (p *peer) receive(ctx context.Context, tx *sql.Tx) (*goqite.Message, error) {
	if tx == nil {
		return p.q.Receive(ctx)
	}
	return p.q.ReceiveTx(ctx, tx)
}

// once does up to n messages in one transaction, or one message by a plain call,
// until step says that there is none.
func (p *peer) once(ctx context.Context, n int, step func(tx *sql.Tx) (bool, error)) (did int, err error) {
	if p.batch == 1 {
		ok, err := step(nil)
		if ok {
			did = 1
		}
		return did, err
	}
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	for did < min(n, p.batch) {
		ok, err := step(tx)
		if err != nil {
			return 0, errors.Join(err, tx.Rollback())
		}
		if !ok {
			break
		}
		did++
	}
	return did, tx.Commit()
}

func (p *peer) close(ctx context.Context) error {
	var left int
	if err := p.db.QueryRowContext(ctx, "SELECT count(*) FROM goqite").Scan(&left); err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("%d messages are left", left)
	}
	return p.db.Close()
}
