package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/observe"
	signature "github.com/taskgen/taskgen/runtime/webhook"

	"github.com/taskgen/taskgen/examples/docsearch/internal/index"
	"github.com/taskgen/taskgen/examples/docsearch/internal/report"
	"github.com/taskgen/taskgen/examples/docsearch/internal/webhook"
	"github.com/taskgen/taskgen/examples/docsearch/tasks"
)

// The files in the data folder.
const (
	queueFile    = "queue.db" // of provider sqlite
	prefixFile   = "prefix"   // of the queues' names, with a broker
	indexFile    = "index.db"
	receivedFile = "received.jsonl"
)

// open opens everything and starts nothing but the receiver. What it opened is
// closed again when it fails.
func open(ctx context.Context, cfg Config) (_ *app, err error) {
	a := &app{cfg: cfg, splitters: newSplitters(), stats: report.NewStats(time.Now), progress: report.NewProgress(cfg.Err)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.root, err = os.OpenRoot(cfg.Dir); err != nil {
		return nil, fmt.Errorf("the folder of documents: %w", err)
	}
	a.closers = append(a.closers, a.root.Close)

	if err := a.openData(); err != nil {
		return nil, err
	}
	if a.provider, err = OpenProvider(ctx, cfg); err != nil {
		return nil, err
	}
	a.closers = append(a.closers, a.provider.Close)
	a.manager = runtime.NewManager(runtime.ManagerConfig{
		Middleware: append([]runtime.EnqueueMiddleware{a.stats.Enqueue, a.withoutKeys}, cfg.EnqueueMiddleware...),
		Listeners:  a.fleet(),
	})
	a.closers = append(a.closers, a.manager.Close)
	if err := a.manager.Open(ctx, a.provider, tasks.Queues()...); err != nil {
		return nil, err
	}
	a.pool, err = a.newPool()
	return a, err
}

// fleet makes the pool a worker of the fleet that the provider keeps, if it keeps one: taskq then
// shows it, and can give it orders.
func (a *app) fleet() []*observe.Listener {
	p, ok := a.provider.(interface{ Fleet() fleet.Store })
	if !ok {
		return nil
	}
	workers := fleet.New(p.Fleet(), fleet.Config{Logger: a.logger()})
	return []*observe.Listener{workers.Listener()}
}

// openData opens the index and the receiver, or their stand-ins in memory.
func (a *app) openData() error {
	path := func(string) string { return "" }
	if a.cfg.Provider != Memory {
		path = func(file string) string { return filepath.Join(a.cfg.Data, file) }
		if err := prepare(a.cfg); err != nil {
			return err
		}
	}
	var err error
	if a.index, err = index.Open(path(indexFile)); err != nil {
		return err
	}
	a.closers = append(a.closers, a.index.Close)

	// The secret need not outlive the process: a message is signed each time it is sent.
	secret := signature.NewSecret()
	if a.receiver, err = webhook.Listen(secret, path(receivedFile)); err != nil {
		return err
	}
	a.closers = append(a.closers, a.receiver.Close)
	a.sender = webhook.NewSender(secret)
	a.closers = append(a.closers, func() error { a.sender.Client.CloseIdleConnections(); return nil })
	return nil
}

// prepare makes the data folder, and takes the files of earlier runs out of it
// when it is to be fresh.
func prepare(cfg Config) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	if !cfg.Fresh {
		return nil
	}
	for _, file := range []string{queueFile, prefixFile, indexFile, receivedFile} {
		for _, suffix := range []string{"", "-wal", "-shm"} { // what SQLite keeps beside a database
			if err := os.Remove(filepath.Join(cfg.Data, file+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("empty the data folder: %w", err)
			}
		}
	}
	return nil
}

func (a *app) newPool() (*runtime.Pool, error) {
	router := runtime.NewRouter()
	router.Use(a.stats.Handle)
	router.Use(a.cfg.Middleware...)
	tasks.RegisterHandlers(router, &handlers{
		root: a.root, index: a.index, splitters: a.splitters, enqueuer: a.manager, sender: a.sender,
		endpoints: map[string]string{endpointDocuments: a.receiver.URL + "/documents"},
	})
	return runtime.NewPool(a.manager, router, runtime.PoolConfig{Workers: 8, Grace: 5 * time.Second, Logger: a.logger()})
}

// close closes what is open, the last opened first.
func (a *app) close() error {
	a.progress.Clear()
	var err error
	for _, closer := range slices.Backward(a.closers) {
		err = errors.Join(err, closer())
	}
	a.closers = nil
	return err
}
