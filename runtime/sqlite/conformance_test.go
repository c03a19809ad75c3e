package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
)

// harness is how the conformance suite gets at this provider.
var harness = drivertest.Harness{
	Name: "sqlite",
	Home: drivertest.InFile,
	Data: func(tb testing.TB) string { return tb.TempDir() + "/tasks.db" },
	Open: func(addr string, clock driver.Clock) (driver.Provider, error) {
		p, err := Open(context.Background(), addr, WithClock(clock))
		if err == nil {
			files.opened(addr, p)
		}
		return p, err
	},
	UsesClock: true,
	Cut:       cut,
	Fill:      files.fill,
	Large:     256 << 10,
	Raw:       spoil,
	Cost: func(p driver.Provider) int64 {
		sp := p.(*Provider)
		return sp.writer.c.steps.Load() + sp.reader.c.steps.Load()
	},
}

// files are those of this process's tests.
var files = filledFiles{by: make(map[string]*filledFile)}

type filledFiles struct {
	mu sync.Mutex
	by map[string]*filledFile
}

// A filledFile is one that must not grow, while it is full. SQLite has the limit for
// each connection.
type filledFile struct {
	full      bool
	providers []*Provider
}

func (f *filledFiles) at(addr string) *filledFile {
	if f.by[addr] == nil {
		f.by[addr] = new(filledFile)
	}
	return f.by[addr]
}

func (f *filledFiles) opened(addr string, p *Provider) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.at(addr)
	at.providers = append(at.providers, p)
	if at.full {
		_ = limitPages(p, 1)
	}
}

func (f *filledFiles) fill(tb testing.TB, addr string) (empty func()) {
	limit := func(full bool, pages int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		at := f.at(addr)
		at.full = full
		for _, p := range at.providers {
			if err := limitPages(p, pages); !errors.Is(err, driver.ErrClosed) {
				require.NoError(tb, err)
			}
		}
	}
	limit(true, 1)
	return func() { limit(false, 1<<30) }
}

// limitPages bounds the pages of a provider's file; a limit below its size becomes
// that.
func limitPages(p *Provider, pages int) error {
	return p.writer.do(context.Background(), 1, func(t *tx) {
		for r := t.query(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); r.next(); {
		}
	})
}

// spoil puts a task on a queue and other bytes in the place of its envelope.
func spoil(tb testing.TB, addr string, q driver.Queue, body []byte) bool {
	one := &driver.Task{ID: fmt.Sprint("raw-", spoilt.Add(1)), Type: "t", Queue: q.Config().Name, Payload: []byte("1"), CreatedAt: time.Now()}
	if q.Config().Type == driver.FIFO {
		one.GroupKey = one.ID
	}
	_, err := q.Enqueue(context.Background(), []*driver.Task{one})
	require.NoError(tb, err)
	raw, err := sqlite.OpenConn(addr, sqlite.OpenReadWrite)
	require.NoError(tb, err)
	defer raw.Close()
	raw.SetBusyTimeout(time.Minute)
	require.NoError(tb, sqlitex.Execute(raw, "UPDATE taskgen_job SET envelope = ? WHERE id = ?", &sqlitex.ExecOptions{Args: []any{body, one.ID}}))
	return true
}

var spoilt atomic.Int64

// cut takes the file away from everybody else: whoever holds the write lock is
// the only one who gets anything done.
func cut(tb testing.TB, addr string) (restore func()) {
	raw, err := sqlite.OpenConn(addr, sqlite.OpenReadWrite)
	require.NoError(tb, err)
	c := &conn{Conn: raw, limit: busyLimit}
	c.SetBusyTimeout(0)
	require.NoError(tb, c.begin())
	return func() {
		c.rollback()
		require.NoError(tb, c.Close())
	}
}

func TestTheProviderKeepsTheLaws(t *testing.T) { drivertest.Run(t, harness) }
