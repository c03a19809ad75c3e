package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/taskgen/taskgen/runtime"
)

var errClosed = fmt.Errorf("sqlite: %w", runtime.ErrClosed)

// Synchronous says when a commit is on the disk.
type Synchronous string

// The levels of durability. Both survive the death of any process at any time.
const (
	// Full writes every commit through to the disk before it is answered. It is
	// the default: what was answered survives a power cut.
	Full Synchronous = "FULL"
	// Normal leaves that to the next checkpoint: a power cut or a crash of the
	// operating system may undo the last commits, and never damages the file.
	Normal Synchronous = "NORMAL"
)

// An Option changes how Open works.
type Option func(*Provider)

// WithSynchronous sets the durability of a commit; Full by default.
func WithSynchronous(s Synchronous) Option { return func(p *Provider) { p.sync = s } }

// WithClock sets the clock that delays and leases go by; runtime.SystemClock by
// default. All processes on one file must agree on the time.
func WithClock(c runtime.Clock) Option { return func(p *Provider) { p.clock = c } }

// A Provider keeps queues in one SQLite file. It is safe for use by many
// goroutines, and any number of processes of one machine may have the same file
// open.
type Provider struct {
	path  string
	file  string // the file's identity
	sync  Synchronous
	clock runtime.Clock

	writer  *writer
	reader  *reader
	lobby   *lobby
	watcher *watcher
	results *results
	jobs    *jobs

	mu     sync.Mutex
	queues map[string][]*Queue
	closed bool
}

var _ runtime.Provider = (*Provider)(nil)

// Open opens the file at path, creates it where there is none, and brings its
// tables up to date. The error wraps [ErrNewerFile] where a later version of
// this package has written it, and [ErrBusy] where another program keeps it
// locked.
func Open(path string, opts ...Option) (*Provider, error) {
	p := &Provider{path: path, sync: Full, clock: runtime.SystemClock, queues: make(map[string][]*Queue)}
	for _, opt := range opts {
		opt(p)
	}
	if err := p.start(); err != nil {
		return nil, fmt.Errorf("open the SQLite file %q: %w", path, err)
	}
	return p, nil
}

func (p *Provider) start() error {
	switch {
	case p.path == "" || strings.HasPrefix(p.path, ":memory:"):
		return errors.New("taskgen: sqlite needs a file: for queues in memory use package memory")
	case p.sync != Full && p.sync != Normal:
		return fmt.Errorf("taskgen: synchronous %q: Full or Normal", p.sync)
	}
	path, err := filepath.Abs(p.path)
	if err != nil {
		return err
	}
	if err := placed(path); err != nil {
		return err
	}
	c, err := openWriter(path, p.sync)
	if err != nil {
		return err
	}
	if p.file, err = migrate(c); err != nil {
		return errors.Join(err, c.Close())
	}
	if p.reader, err = newReader(path); err != nil {
		return errors.Join(err, c.Close())
	}
	watching, err := newReader(path)
	if err != nil {
		return errors.Join(err, p.reader.close(), c.Close())
	}
	p.lobby = newLobby(p.clock)
	p.writer = newWriter(c, p.clock, p.lobby)
	p.lobby.nudge = p.writer.nudge
	p.results = newResults(p)
	p.jobs = newJobs(p)
	p.watcher = newWatcher(watching, p.lobby, p.results)
	go p.writer.loop()
	go p.watcher.loop()
	return nil
}

// placed says why there can be no file at path, where SQLite would only say that
// it is unable to open it.
func placed(path string) error {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("make its folder first: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("it is a folder: name a file in it")
	}
	return nil
}

// Name returns "sqlite".
func (p *Provider) Name() string { return "sqlite" }

// Close implements [runtime.Provider]. It finishes what has begun, answers all
// others with ErrClosed and closes the file. A second call does nothing.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	for _, qs := range p.queues {
		for _, q := range qs {
			q.closed.Store(true)
		}
	}
	p.watcher.close()
	p.writer.close()
	p.lobby.close()
	p.results.close()
	return errors.Join(p.watcher.reader.close(), p.reader.close(), p.writer.c.Close())
}

const (
	sqlQueueNew  = `INSERT INTO taskgen_queue (type, name) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`
	sqlQueueFind = `SELECT id, type, is_dlq FROM taskgen_queue WHERE name = ?` // one row by the index of names
	sqlQueueDLQ  = `UPDATE taskgen_queue SET dlq = ?2 WHERE id = ?1 AND dlq <> ?2`
	sqlQueueIs   = `UPDATE taskgen_queue SET is_dlq = 1 WHERE id = ? AND is_dlq = 0`
)

// Open implements [runtime.Provider]. A queue may be opened more than once, in
// one process or several; each call returns a Queue of its own.
func (p *Provider) Open(ctx context.Context, cfg runtime.QueueConfig) (runtime.Queue, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	q := &Queue{p: p, cfg: cfg}
	var refused error
	err = p.writer.do(ctx, 1, func(t *tx) {
		// The transaction goes on where the queue is refused: it has written
		// nothing by then.
		refused = t.declare(q)
	})
	if err = errors.Join(err, refused); err != nil {
		return nil, fmt.Errorf("queue %q in %s: %w", cfg.Name, p.path, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	p.queues[cfg.Name] = append(p.queues[cfg.Name], q)
	return q, nil
}

// declare creates or verifies the rows of a queue and of its dead letter queue.
func (t *tx) declare(q *Queue) error {
	id, kind, isDLQ := t.find(q.cfg.Name)
	if id != 0 && kind != q.cfg.Type {
		return fmt.Errorf("%w: it is of type %s in the file, and %s is asked for", runtime.ErrQueueMismatch, kind, q.cfg.Type)
	}
	dlq, kind, _ := t.find(q.cfg.DLQ)
	if dlq != 0 && kind != runtime.Standard {
		return fmt.Errorf("%w: its dead letter queue %q is of type %s in the file: name another", runtime.ErrQueueMismatch, q.cfg.DLQ, kind)
	}
	if id == 0 {
		id = t.newQueue(q.cfg.Name, q.cfg.Type)
	}
	q.id, q.isDLQ = id, isDLQ
	if isDLQ {
		return nil // the dead stay where they are: no dead letter queue of its own
	}
	if dlq == 0 {
		dlq = t.newQueue(q.cfg.DLQ, runtime.Standard)
	}
	t.exec(sqlQueueDLQ, id, dlq)
	t.exec(sqlQueueIs, dlq)
	return nil
}

func (t *tx) find(name string) (id int64, kind runtime.QueueType, isDLQ bool) {
	r := t.queryText(sqlQueueFind, name)
	if !r.next() {
		return 0, "", false
	}
	defer r.done()
	return r.int(0), runtime.QueueType(r.text(1)), r.int(2) != 0
}

func (t *tx) newQueue(name string, kind runtime.QueueType) int64 {
	s := t.prepare(sqlQueueNew, nil)
	if s == nil {
		return 0
	}
	s.BindText(1, string(kind))
	s.BindText(2, name)
	t.run(s)
	return t.c.LastInsertRowID()
}
