package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/taskgen/taskgen/runtime/driver"
)

var errClosed = fmt.Errorf("sqlite: %w", driver.ErrClosed)

// Synchronous says when a commit is on the disk.
type Synchronous string

// The levels of durability. Both survive the death of any process at any time.
const (
	// Full writes every commit through to the disk before the caller gets the answer. It
	// is the default: committed data survives a power cut.
	Full Synchronous = "FULL"
	// Normal leaves that to the next checkpoint: a power cut or a crash of the operating
	// system may undo the last commits, but never damages the file.
	Normal Synchronous = "NORMAL"
)

// An Option changes how Open works.
type Option func(*Provider)

// WithSynchronous sets the durability of a commit; Full by default.
func WithSynchronous(s Synchronous) Option { return func(p *Provider) { p.sync = s } }

// WithClock sets the clock for delays and leases; driver.SystemClock by default. All
// processes on one file must agree on the time.
func WithClock(c driver.Clock) Option { return func(p *Provider) { p.clock = c } }

// A Provider keeps queues in one SQLite file. It is safe for concurrent use, and any
// number of processes of one machine may have the same file open.
type Provider struct {
	path      string
	file      string // the file's identity
	sync      Synchronous
	clock     driver.Clock
	intervals checkIntervals
	noInotify bool // no inotify

	writer     *writer
	reader     *reader
	waitQueues *waitQueues
	watcher    *watcher
	results    *results
	jobs       *jobs

	mu     sync.Mutex
	queues map[string][]*queue
	closed bool
}

var _ driver.Provider = (*Provider)(nil)

// Open opens the file at path, creates it if there is none, and migrates its tables. The
// error wraps [ErrNewerFile] if a later version of this package has written the file, and
// [ErrBusy] if another program keeps it locked. If ctx ends first the error wraps that of
// ctx, and the tables are as they were. ctx is for Open alone: the provider outlives it.
func Open(ctx context.Context, path string, opts ...Option) (*Provider, error) {
	p := &Provider{path: path, sync: Full, clock: driver.SystemClock, intervals: defaultIntervals, queues: make(map[string][]*queue)}
	for _, opt := range opts {
		opt(p)
	}
	if err := p.start(ctx); err != nil {
		return nil, fmt.Errorf("open the SQLite file %q: %w", path, unavailable(err))
	}
	return p, nil
}

func (p *Provider) start(ctx context.Context) error {
	switch {
	case p.path == "" || strings.HasPrefix(p.path, ":memory:"):
		return errors.New("taskgen: sqlite needs a file: for queues in memory use package memory")
	case p.sync != Full && p.sync != Normal:
		return fmt.Errorf("sqlite: synchronous %q: Full or Normal", p.sync)
	}
	path, err := filepath.Abs(p.path)
	if err != nil {
		return err
	}
	if err := checkFolder(path); err != nil {
		return err
	}
	c, file, err := openMigrated(ctx, path, p.sync)
	if err != nil {
		return err
	}
	p.file = file
	if p.reader, err = newReader(path); err != nil {
		return errors.Join(err, c.Close())
	}
	watching, err := newReader(path)
	if err != nil {
		return errors.Join(err, p.reader.close(), c.Close())
	}
	at, err := identify(path)
	if err != nil {
		return errors.Join(err, watching.close(), p.reader.close(), c.Close())
	}
	p.reader.identity = at
	p.waitQueues = newWaitQueues(p.clock)
	p.writer = newWriter(c, at, p.clock, p.waitQueues)
	p.waitQueues.signal = p.writer.signal
	p.results = newResults(p)
	p.jobs = newJobs(p)
	var notifier *walNotifier
	if !p.noInotify {
		notifier = newWALNotifier(path)
	}
	p.watcher = newWatcher(watching, p.waitQueues, p.results, p.jobs, at, notifier, p.intervals)
	go p.writer.loop()
	go p.watcher.loop()
	return nil
}

// openMigrated opens the connection that writes, and brings the file's tables up to date. It
// also returns the file's identity.
func openMigrated(ctx context.Context, path string, sync Synchronous) (c *conn, file string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if c, err = openWriter(ctx, path, sync); err != nil {
		return nil, "", interrupted(ctx, err)
	}
	if file, err = migrate(c); err != nil {
		return nil, "", errors.Join(interrupted(ctx, err), c.Close())
	}
	c.SetInterrupt(nil)
	return c, file, nil
}

// interrupted adds to an error that of ctx, whose end may be the cause.
func interrupted(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return errors.Join(ended, err)
	}
	return err
}

// checkFolder says why no file can be created at path, where SQLite would only say that
// it is unable to open it.
func checkFolder(path string) error {
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

// Close implements [driver.Provider]. It finishes calls in progress, ends all others with
// ErrClosed and closes the file. A second call does nothing.
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
	watched := p.watcher.close()
	p.writer.close()
	p.waitQueues.close()
	p.results.close()
	return errors.Join(watched, p.reader.close(), p.writer.c.Close())
}

const (
	sqlQueueNew  = `INSERT INTO taskgen_queue (type, name) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`
	sqlQueueFind = `SELECT q.id, q.type, q.is_dlq, coalesce(d.name, ''),
		q.leased + q.dead > 0 OR q.last > q.ready + q.scheduled
		FROM taskgen_queue q LEFT JOIN taskgen_queue d ON d.id = q.dlq WHERE q.name = ?` // one row by the index of names, and one by its key
	sqlQueueDLQ = `UPDATE taskgen_queue SET dlq = ?2 WHERE id = ?1 AND dlq <> ?2`
	sqlQueueIs  = `UPDATE taskgen_queue SET is_dlq = 1 WHERE id = ? AND is_dlq = 0`
)

// Open implements [driver.Provider]. A queue may be opened more than once, in one process
// or several; each call returns a new Queue.
func (p *Provider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	q := &queue{p: p, cfg: cfg}
	var refused error
	err = p.writer.do(ctx, 1, func(t *tx) {
		// The transaction continues if the queue is refused: nothing is written by then.
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
func (t *tx) declare(q *queue) error {
	own := t.find(q.cfg.Name)
	if own.id != 0 && own.kind != q.cfg.Type {
		return fmt.Errorf("%w: it is of type %s in the file, and %s is asked for", driver.ErrQueueMismatch, own.kind, q.cfg.Type)
	}
	if own.isDLQ {
		if err := q.cfg.AsDead(); err != nil {
			return err
		}
	}
	dlq := t.find(q.cfg.DLQ)
	if dlq.id != 0 && dlq.kind != driver.Standard {
		return fmt.Errorf("%w: its dead letter queue %q is of type %s in the file: name another", driver.ErrQueueMismatch, q.cfg.DLQ, dlq.kind)
	}
	// A queue that was opened before the queue that names it has its own dead letter
	// queue. Either a worker of dead letters came first, or it is a mistake: nothing
	// could die on it any more.
	worker := dlq.dlq == q.cfg.DLQ+"-dlq" && (!dlq.used || q.cfg.DLQ == q.cfg.Name+"-dlq")
	if dlq.dlq != "" && !dlq.isDLQ && !worker && !own.isDLQ {
		return fmt.Errorf("%w: its dead letter queue %q is a queue with one of its own, %q: name another", driver.ErrQueueMismatch, q.cfg.DLQ, dlq.dlq)
	}
	if own.id == 0 {
		own.id = t.newQueue(q.cfg.Name, q.cfg.Type)
	}
	q.id, q.isDLQ = own.id, own.isDLQ
	if own.isDLQ {
		return nil // the dead stay where they are: no dead letter queue of its own
	}
	if dlq.id == 0 {
		dlq.id = t.newQueue(q.cfg.DLQ, driver.Standard)
	}
	t.exec(sqlQueueDLQ, own.id, dlq.id)
	t.exec(sqlQueueIs, dlq.id)
	return nil
}

// A found queue is its row in the file; its id is 0 if there is none.
type found struct {
	id    int64
	kind  driver.QueueType
	isDLQ bool
	dlq   string // its own; "" for none
	used  bool   // tasks of it were handed out
}

func (t *tx) find(name string) found {
	r := t.queryText(sqlQueueFind, name)
	if !r.next() {
		return found{}
	}
	defer r.done()
	return found{r.int(0), driver.QueueType(r.text(1)), r.int(2) != 0, r.text(3), r.int(4) != 0}
}

func (t *tx) newQueue(name string, kind driver.QueueType) int64 {
	s := t.prepare(sqlQueueNew, nil)
	if s == nil {
		return 0
	}
	s.BindText(1, string(kind))
	s.BindText(2, name)
	t.run(s)
	return t.c.lastID()
}
