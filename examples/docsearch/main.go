// Docsearch makes a folder of documents searchable, with taskgen's tasks: it
// splits, embeds and indexes them, announces each by a signed webhook, and
// answers a query. See README.md.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/taskgen/taskgen/examples/docsearch/internal/app"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

func main() {
	os.Exit(run(os.Args[1:], app.Config{Out: os.Stdout, Err: os.Stderr}))
}

// run parses the arguments into cfg, runs the demo, and returns the exit code.
func run(args []string, cfg app.Config) int {
	if err := parse(args, &cfg); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		fmt.Fprintln(cfg.Err, "docsearch:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends ctx, and signals have their usual effect again: a
	// second one ends the process at once.
	context.AfterFunc(ctx, stop)

	switch err := app.Run(ctx, cfg); {
	case errors.Is(err, app.ErrInterrupted):
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(cfg.Err, "docsearch:", err)
		return exitFailed
	}
	return 0
}

func parse(args []string, cfg *app.Config) error {
	f := flag.NewFlagSet("docsearch", flag.ContinueOnError)
	f.SetOutput(io.Discard) // run prints the error
	f.StringVar(&cfg.Provider, "provider", app.SQLite, "where tasks are kept: sqlite, memory, redis, sqs, rabbitmq or nats")
	f.StringVar(&cfg.URL, "url", "", "where the broker is, with -provider redis, sqs, rabbitmq or nats")
	f.StringVar(&cfg.Dir, "dir", "", "folder of documents (default: this repository, or the working directory outside of one)")
	f.StringVar(&cfg.Query, "query", "when is a dead task redriven?", "question to answer from the documents")
	f.StringVar(&cfg.Data, "data", "", "folder of the index, and of the queue in sqlite (default: one for each -dir and -provider in the user's cache folder)")
	f.BoolVar(&cfg.Fresh, "fresh", false, "forget the queue and the index of earlier runs")
	f.BoolVar(&cfg.Verbose, "v", false, "log each failure")
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(cfg.Out)
		f.Usage()
		return err
	}
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q: there are only flags (-h lists them)", f.Arg(0))
	}
	if err == nil {
		err = cfg.Check()
	}
	if err != nil {
		return err
	}
	if cfg.Dir == "" {
		cfg.Dir = repository()
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return err
	}
	if cfg.Data == "" {
		cfg.Data = dataFolder(cfg.Dir, cfg.Provider)
	}
	return nil
}

// repository is the nearest folder upwards that holds a Git repository, or the
// working directory when there is none.
func repository() string {
	start, err := os.Getwd()
	if err != nil {
		return "."
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return start
		}
	}
}

// dataFolder is where the data of one folder of documents on one provider is
// kept: in the user's cache folder, or in the working directory when there is no
// such thing.
func dataFolder(dir, provider string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ".docsearch-" + provider
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(cache, "taskgen-docsearch", filepath.Base(dir)+"-"+hex.EncodeToString(sum[:4])+"-"+provider)
}
