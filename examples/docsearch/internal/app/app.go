// Package app puts docsearch together: it opens what is needed, enqueues a task
// for each document that is new or changed, lets a pool work until nothing is
// left, redrives what died, and answers a query.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"

	"github.com/taskgen/taskgen/examples/docsearch/internal/index"
	"github.com/taskgen/taskgen/examples/docsearch/internal/report"
	"github.com/taskgen/taskgen/examples/docsearch/internal/webhook"
	"github.com/taskgen/taskgen/examples/docsearch/tasks"
)

// Config says what to do. The fields up to Err are needed.
type Config struct {
	Provider string // "sqlite", "memory", "redis", "sqs", "rabbitmq" or "nats"
	URL      string // of the broker; unused by sqlite and memory
	Dir      string // the folder of documents
	Data     string // the folder of the index, and of the queue in sqlite; unused in memory
	Query    string
	Out      io.Writer // results
	Err      io.Writer // progress and, if Verbose, the log

	Fresh   bool // forget the data of earlier runs
	Verbose bool // log each failure

	// EnqueueMiddleware and Middleware come inside of the demo's own.
	EnqueueMiddleware []runtime.EnqueueMiddleware
	Middleware        []runtime.Middleware
}

// ErrInterrupted says that the context ended before all was done.
var ErrInterrupted = errors.New("interrupted")

// flow lists the queues in the order that tasks go through them.
var flow = []string{tasks.DocumentSpec.Queue, tasks.EmbeddingSpec.Queue, tasks.CollaborationSpec.Queue, tasks.WebhookSpec.Queue}

// app is what is open while a demo runs.
type app struct {
	cfg       Config
	root      *os.Root // the folder of documents: no task reads outside of it
	index     *index.Index
	receiver  *webhook.Receiver
	sender    *webhook.Sender
	splitters *splitters
	provider  runtime.Provider
	manager   *runtime.Manager
	pool      *runtime.Pool
	stats     *report.Stats
	progress  *report.Progress
	closers   []func() error
}

// Run runs the demo until all is done, or until ctx ends: then it stops in good
// order and returns ErrInterrupted.
func Run(ctx context.Context, cfg Config) (err error) {
	a, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()

	err = a.run(ctx)
	if err != nil && ctx.Err() != nil {
		return a.interrupted(ctx, err)
	}
	return err
}

func (a *app) run(ctx context.Context) error {
	before, err := a.left(ctx)
	if err != nil {
		return err
	}
	if before.total() > 0 {
		a.printf("resumed: %d tasks were left by an earlier run (%s)\n", before.total(), before)
	}
	if err := a.enqueueDocuments(ctx); err != nil {
		return err
	}
	if err := a.work(ctx); err != nil {
		return err
	}
	if err := a.check(ctx); err != nil {
		return err
	}
	if err := a.answer(ctx); err != nil {
		return err
	}
	if err := a.summary(); err != nil {
		return err
	}
	a.next()
	return nil
}

// work lets the pool run while the tasks are watched.
func (a *app) work(ctx context.Context) error {
	if err := a.pool.Start(ctx); err != nil {
		return err
	}
	err := a.watch(ctx)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return errors.Join(err, a.pool.Stop(stopping))
}

// watch waits until no task is left, mends what made some die, and waits for
// those.
func (a *app) watch(ctx context.Context) error {
	if err := a.untilIdle(ctx); err != nil {
		return err
	}
	died, err := a.dead(ctx)
	if err != nil || len(died) == 0 {
		return err
	}
	a.showDead(died)
	if err := a.mendAndRedrive(ctx); err != nil {
		return err
	}
	if err := a.untilIdle(ctx); err != nil {
		return err
	}
	if died, err = a.dead(ctx); err != nil {
		return err
	}
	if len(died) == 0 {
		a.printf("done: what was dead is completed\n\n")
		return nil
	}
	a.showDead(died)
	return fmt.Errorf("%d tasks died again; the next run redrives them once more", len(died))
}

// interrupted says what is left.
func (a *app) interrupted(ctx context.Context, cause error) error {
	after, err := a.left(context.WithoutCancel(ctx))
	if err != nil {
		return errors.Join(cause, err)
	}
	then := "Run the same command again: it finishes them."
	switch {
	case a.cfg.Provider == Memory:
		then = "They end with this process: -provider sqlite keeps them."
	case a.cfg.Fresh:
		then = "The same command forgets them: without -fresh it finishes what the queue still has."
	}
	a.printf("interrupted: %d tasks are left (%s). %s\n", after.total(), after, then)
	if !errors.Is(cause, context.Canceled) {
		return cause
	}
	return errors.Join(ErrInterrupted, a.summary())
}

// check makes sure that what the demo promises is so.
func (a *app) check(ctx context.Context) error {
	after, err := a.left(ctx)
	if err != nil {
		return err
	}
	if after.total() > 0 {
		return fmt.Errorf("%d tasks are left (%s) that came from another process: run the same command again", after.total(), after)
	}
	documents, err := a.index.Documents(ctx)
	if err != nil {
		return err
	}
	chunks, open := 0, []string(nil)
	for path, d := range documents {
		chunks += d.Chunks
		if !d.Finished {
			open = append(open, path)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("no task is left, but these documents are not finished: %s. Their tasks were removed by something else: start again with -fresh", strings.Join(open, ", "))
	}
	taken, refusedFirst := a.receiver.Taken()
	a.printf("indexed: %d documents in %d chunks\nannounced: the receiver took %d messages, %d of them at the second try\n",
		len(documents), chunks, taken, refusedFirst)
	return nil
}

// answer prints the passages nearest to the query.
func (a *app) answer(ctx context.Context) error {
	hits, err := a.index.Search(ctx, a.cfg.Query, 5)
	if err != nil {
		return err
	}
	a.printf("\nquery: %s\n", a.cfg.Query)
	for i, h := range hits {
		a.printf("%d. %s (%.2f)\n", i+1, h.Path, h.Score)
		if h.Heading != "" {
			a.printf("%s\n", report.Wrap(h.Heading, 3))
		}
		a.printf("%s\n", report.Wrap(h.Snippet(a.cfg.Query, 36), 5))
	}
	if len(hits) == 0 {
		a.printf("nothing in the documents is like it\n")
	}
	return nil
}

func (a *app) summary() error {
	if a.stats.Empty() {
		a.printf("\nthis run had no task to run: no document is new or changed\n-fresh starts over: make demo DEMOFLAGS=-fresh\n")
		return nil
	}
	a.printf("\nthis run, by type of task (wait: from due to its first run)\n")
	return a.stats.WriteTable(a.cfg.Out, tasks.TypeDocument, tasks.TypeEmbedding, tasks.TypeCollaboration, tasks.TypeWebhook)
}

// next says what to try.
func (a *app) next() {
	a.printf(`
try next
  ask something else  make demo DEMOFLAGS='-query "how long does a lease last?"'
  pull the plug       make demo DEMOFLAGS=-fresh, kill -9 it, and run make demo
  another broker      make demo PROVIDER=redis (or rabbitmq, nats, sqs)
  see how it is done  examples/docsearch/tasks: four structs, and what is
                      generated from them
`)
}

func (a *app) printf(format string, args ...any) {
	a.progress.Clear()
	fmt.Fprintf(a.cfg.Out, format, args...)
}

// logger is where the pool tells of failures: the summary counts them all.
func (a *app) logger() *slog.Logger {
	if !a.cfg.Verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.progress, nil))
}
