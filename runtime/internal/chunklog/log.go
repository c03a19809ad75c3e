package chunklog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/history/historystore"
)

// A Head is the index of a chunk. Seq numbers the chunks from 1, in the order in which they
// were begun.
type Head struct {
	Seq   int64
	Index []byte
}

// A Reader reads chunks.
type Reader interface {
	// Heads returns up to limit heads, those of the newest chunks before a Seq, the newest
	// first. Before 0 means of all. Chunks whose age is over are left out. There are no
	// more only if it returns none.
	Heads(ctx context.Context, before int64, limit int) ([]Head, error)
	// Bodies returns the bodies of chunks, in the order of seqs: nil for one that is gone
	// since. It is given at most BodiesAtOnce.
	Bodies(ctx context.Context, seqs []int64) ([][]byte, error)
}

const (
	// headsAtOnce and BodiesAtOnce bound what one call reads: 256 KB, as a rule.
	headsAtOnce  = 128
	BodiesAtOnce = 16
	// pageChunks bounds the bodies that List reads for one page: 16 MB, as a rule.
	pageChunks = 1024
)

// A Log makes the reads of a historystore.Store from those of a Reader.
type Log struct{ Reader }

// scan calls visit with the records of each chunk that wanted takes, the newest chunk first.
// Before 0 means all chunks.
func (l Log) scan(ctx context.Context, before int64, want uint16, wanted func(x *extent) bool, visit func(seq int64, records []Record) (more bool)) error {
	for {
		heads, err := l.Heads(ctx, before, headsAtOnce)
		if err != nil || len(heads) == 0 {
			return err
		}
		before = heads[len(heads)-1].Seq
		var seqs []int64
		for _, h := range heads {
			x, err := readIndex(h.Index, want)
			if err != nil {
				return err
			}
			if wanted(&x) {
				seqs = append(seqs, h.Seq)
			}
		}
		for part := range slices.Chunk(seqs, BodiesAtOnce) {
			more, err := l.visit(ctx, part, visit)
			if err != nil || !more {
				return err
			}
		}
	}
}

func (l Log) visit(ctx context.Context, seqs []int64, visit func(seq int64, records []Record) bool) (more bool, err error) {
	bodies, err := l.Bodies(ctx, seqs)
	if err != nil {
		return false, err
	}
	for i, body := range bodies {
		records, err := Decode(body)
		if err != nil {
			return false, err
		}
		if !visit(seqs[i], records) {
			return false, nil
		}
	}
	return true, nil
}

// overlaps returns what tells whether a chunk may have a record of a filter's times. Those
// of an index are rounded down.
func overlaps(f *historystore.Filter) func(x *extent) bool {
	return func(x *extent) bool {
		return (f.Since.IsZero() || x.last >= f.Since.Truncate(time.Microsecond).UnixMicro()) && (f.Until.IsZero() || x.first <= f.Until.UnixMicro())
	}
}

// Task implements historystore.Store.
func (l Log) Task(ctx context.Context, id string) ([]Record, error) {
	var found []Record
	maybe := func(x *extent) bool { return x.has }
	err := l.scan(ctx, 0, mark(id), maybe, func(_ int64, records []Record) bool {
		for _, r := range slices.Backward(records) {
			if r.TaskID == id {
				found = append(found, r)
			}
		}
		return len(found) < historystore.MaxTimeline
	})
	if err != nil {
		return nil, fmt.Errorf("the history of task %s: %w", id, err)
	}
	found = found[:min(len(found), historystore.MaxTimeline)]
	slices.Reverse(found)
	slices.SortStableFunc(found, func(a, b Record) int { return began(&a).Compare(began(&b)) })
	return slices.Compact(found), nil
}

// began is what orders the records of a task: its runs follow each other.
func began(r *Record) time.Time {
	if r.Ran() {
		return r.StartedAt
	}
	return r.EndedAt
}

// List implements historystore.Store. A cursor is the Seq of a chunk and how many of its
// records are left.
func (l Log) List(ctx context.Context, f historystore.Filter, cursor string, limit int) (page []Record, next string, err error) {
	first, left, err := readCursor(cursor)
	if err != nil {
		return nil, "", fmt.Errorf("list the history: %w", err)
	}
	before := int64(0)
	if first > 0 {
		before = first + 1
	}
	read := 0
	err = l.scan(ctx, before, 0, overlaps(&f), func(seq int64, records []Record) bool {
		end := len(records)
		if seq == first {
			end = min(end, left)
		}
		for i := end - 1; i >= 0; i-- {
			if len(page) >= limit {
				next = writeCursor(seq, i+1)
				return false
			}
			if f.Match(&records[i]) {
				page = append(page, records[i])
			}
		}
		if read++; read >= pageChunks {
			next = writeCursor(seq, 0)
		}
		return read < pageChunks
	})
	if err != nil {
		return nil, "", fmt.Errorf("list the history: %w", err)
	}
	return page, next, nil
}

func writeCursor(seq int64, left int) string {
	return strconv.FormatInt(seq, 10) + "." + strconv.Itoa(left)
}

func readCursor(cursor string) (seq int64, left int, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	first, rest, _ := strings.Cut(cursor, ".")
	if seq, err = strconv.ParseInt(first, 10, 64); err == nil && seq > 0 {
		if left, err = strconv.Atoi(rest); err == nil && left >= 0 {
			return seq, left, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: %q", historystore.ErrCursor, cursor)
}

// Stats implements historystore.Store.
func (l Log) Stats(ctx context.Context, f historystore.Filter) ([]historystore.TypeStats, error) {
	sums := make(sums)
	err := l.scan(ctx, 0, 0, overlaps(&f), func(_ int64, records []Record) bool {
		for i := range records {
			if f.Match(&records[i]) {
				sums.add(&records[i])
			}
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("sum up the history: %w", err)
	}
	return sums.stats(), nil
}
