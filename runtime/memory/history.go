package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/internal/chunklog"
)

// History keeps in memory what became of tasks, for a program that shows its own. It is a
// [historystore.Store], and safe for concurrent use.
type History struct {
	reads chunklog.Log
	log   *historyLog
}

var _ historystore.Store = (*History)(nil)

// A historyLog is the chunks of a History, the oldest first.
type historyLog struct {
	clock driver.Clock

	mu     sync.Mutex
	chunks []historyChunk
	last   int64 // Seq of the newest
	bytes  int64
}

type historyChunk struct {
	seq          int64
	begun, until time.Time
	index, body  []byte
}

func (c *historyChunk) len() int { return len(c.index) + len(c.body) + chunklog.Overhead }

// NewHistory returns an empty store.
func NewHistory(opts ...Option) *History {
	l := &historyLog{clock: configure(opts).clock}
	return &History{chunklog.Log{Reader: l}, l}
}

// Add implements historystore.Store.
func (s *History) Add(_ context.Context, records []historystore.Record, keep historystore.Limits) error {
	pieces := chunklog.Encode(records)
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	now := s.log.clock.Now()
	for _, p := range pieces {
		s.log.append(now, p, keep)
	}
	s.log.trim(now, keep.Bytes)
	return nil
}

// Task implements historystore.Store.
func (s *History) Task(ctx context.Context, id string) ([]historystore.Record, error) {
	return s.reads.Task(ctx, id)
}

// List implements historystore.Store.
func (s *History) List(ctx context.Context, f historystore.Filter, cursor string, limit int) (page []historystore.Record, next string, err error) {
	return s.reads.List(ctx, f, cursor, limit)
}

// Stats implements historystore.Store.
func (s *History) Stats(ctx context.Context, f historystore.Filter) ([]historystore.TypeStats, error) {
	return s.reads.Stats(ctx, f)
}

func (l *historyLog) append(now time.Time, p chunklog.Piece, keep historystore.Limits) {
	var c *historyChunk
	if n := len(l.chunks); n > 0 {
		c = &l.chunks[n-1]
	}
	if c == nil || c.len()-chunklog.Overhead >= chunklog.Size || now.Sub(c.begun) >= chunklog.Span(keep) {
		l.last++
		l.chunks = append(l.chunks, historyChunk{seq: l.last, begun: now})
		c = &l.chunks[len(l.chunks)-1]
		l.bytes += chunklog.Overhead
	}
	c.until = now.Add(keep.Age)
	c.index, c.body = append(c.index, p.Index...), append(c.body, p.Body...)
	l.bytes += int64(p.Len())
}

// trim removes the oldest chunks.
func (l *historyLog) trim(now time.Time, bytes int64) {
	n := 0
	for n < len(l.chunks) && (!l.chunks[n].until.After(now) || l.bytes > bytes && n < len(l.chunks)-1) {
		l.bytes -= int64(l.chunks[n].len())
		n++
	}
	l.chunks = slices.Delete(l.chunks, 0, n)
}

// Heads implements chunklog.Reader.
func (l *historyLog) Heads(_ context.Context, before int64, limit int) (heads []chunklog.Head, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	for _, c := range slices.Backward(l.chunks) {
		if len(heads) == limit {
			break
		}
		if (before == 0 || c.seq < before) && c.until.After(now) {
			heads = append(heads, chunklog.Head{Seq: c.seq, Index: slices.Clone(c.index)})
		}
	}
	return heads, nil
}

// Bodies implements chunklog.Reader.
func (l *historyLog) Bodies(_ context.Context, seqs []int64) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bodies := make([][]byte, len(seqs))
	for i, seq := range seqs {
		at, found := slices.BinarySearchFunc(l.chunks, seq, func(c historyChunk, seq int64) int { return int(c.seq - seq) })
		if found {
			bodies[i] = slices.Clone(l.chunks[at].body)
		}
	}
	return bodies, nil
}
