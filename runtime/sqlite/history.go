package sqlite

import (
	"context"
	"fmt"
	"math"

	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/internal/chunklog"
)

const (
	// The newest and the oldest row, by the key; their bodies stay unread.
	sqlHistoryLast  = `SELECT n, begun, size, total FROM taskgen_history WHERE n > 0 ORDER BY n DESC LIMIT 1`
	sqlHistoryFirst = `SELECT n, until, size, total FROM taskgen_history WHERE n > 0 ORDER BY n LIMIT 1`
	// One row with the next n.
	sqlHistoryPut = `INSERT INTO taskgen_history (begun, until, size, total, marks, body) VALUES (?, ?, ?, ?, ?, ?)`
	// One row by its key.
	sqlHistoryAppend = `UPDATE taskgen_history SET until = ?2, size = size + ?3, total = total + ?3,
		marks = CAST(marks || ?4 AS BLOB), body = CAST(body || ?5 AS BLOB) WHERE n = ?1`
	sqlHistoryDelete = `DELETE FROM taskgen_history WHERE n = ?`
	sqlHistoryBody   = `SELECT body FROM taskgen_history WHERE n = ?`
	// The rows of a page, by the key.
	sqlHistoryHeads = `SELECT n, marks FROM taskgen_history WHERE n < ? AND until > ? ORDER BY n DESC LIMIT +?`
)

// historyWeight is what an Add weighs among the calls of a transaction: it writes as
// much as some tasks.
const historyWeight = 32

// A historyStore keeps what became of tasks in the provider's file.
type historyStore struct {
	chunklog.Log
	p *Provider
}

var _ historystore.Store = historyStore{}

// History keeps in the provider's file what became of the tasks of all processes on it,
// some hundreds in a row. A batch of records is one row in a transaction that it shares with
// other work, and is on disk as that is. What has expired is removed together with other
// work of the provider. A full disk refuses records, before it refuses other work.
func (p *Provider) History() historystore.Store {
	return historyStore{chunklog.Log{Reader: historyReader{p}}, p}
}

// Add implements historystore.Store.
func (s historyStore) Add(ctx context.Context, records []historystore.Record, keep historystore.Limits) error {
	pieces := chunklog.Encode(records)
	if len(pieces) == 0 {
		return nil
	}
	err := s.p.writer.grow(ctx, historyWeight, func(t *tx) {
		for _, p := range pieces {
			t.appendHistory(p, keep)
		}
		t.pruneHistory(keep.Bytes)
	})
	if err != nil {
		return fmt.Errorf("add to the history: %w", err)
	}
	return nil
}

// appendHistory adds a piece to the newest row, or as a new one.
func (t *tx) appendHistory(p chunklog.Piece, keep historystore.Limits) {
	var n, begun, size, total int64
	r := t.query(sqlHistoryLast)
	if r.next() {
		n, begun, size, total = r.int(0), r.int(1), r.int(2), r.int(3)
		r.done()
	}
	until, more := after(t.now, keep.Age), int64(p.Len())
	if n > 0 && size-chunklog.Overhead < chunklog.Size && t.now-begun < int64(chunklog.Span(keep)) {
		if s := t.prepare(sqlHistoryAppend, []int64{n, until, more}); s != nil {
			s.BindBytes(4, p.Index)
			s.BindBytes(5, p.Body)
			t.run(s)
		}
		return
	}
	more += chunklog.Overhead
	if s := t.prepare(sqlHistoryPut, []int64{t.now, until, more, total + more}); s != nil {
		s.BindBytes(5, p.Index)
		s.BindBytes(6, p.Body)
		t.run(s)
	}
}

// pruneHistory removes the oldest rows, some at a time: those that have expired, and those
// beyond a number of bytes.
func (t *tx) pruneHistory(bytes int64) {
	var last, end int64
	if r := t.query(sqlHistoryLast); r.next() {
		last, end = r.int(0), r.int(3)
		r.done()
	}
	for range tidyRows {
		r := t.query(sqlHistoryFirst)
		if !r.next() {
			return
		}
		n, until, size, total := r.int(0), r.int(1), r.int(2), r.int(3)
		r.done()
		if until > t.now && (n == last || end-total+size <= bytes) {
			return
		}
		t.exec(sqlHistoryDelete, n)
	}
}

// A historyReader reads the rows of a provider's history.
type historyReader struct{ p *Provider }

// Heads implements chunklog.Reader.
func (h historyReader) Heads(ctx context.Context, before int64, limit int) (heads []chunklog.Head, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	now := h.p.clock.Now().UnixNano()
	err = h.p.reader.do(ctx, now, func(t *tx) {
		heads = nil
		for r := t.query(sqlHistoryHeads, before, now, int64(limit)); r.next(); {
			heads = append(heads, chunklog.Head{Seq: r.int(0), Index: r.bytes(1)})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	return heads, nil
}

// Bodies implements chunklog.Reader.
func (h historyReader) Bodies(ctx context.Context, seqs []int64) (bodies [][]byte, err error) {
	err = h.p.reader.do(ctx, 0, func(t *tx) {
		bodies = make([][]byte, len(seqs))
		for i, n := range seqs {
			if r := t.query(sqlHistoryBody, n); r.next() {
				bodies[i] = r.bytes(0)
				r.done()
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	return bodies, nil
}
