package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"

	"github.com/taskgen/taskgen/examples/docsearch/internal/app"
	"github.com/taskgen/taskgen/examples/docsearch/tasks"
)

// folder is a small folder of documents. The first is the one that dies.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "apples.md"), "# Apples\n\nApples ripen in autumn and keep through the winter.\n")
	write(t, filepath.Join(dir, "leases.md"), "# Leases\n\n## Ends\n\nWhen its worker dies, the lease of a task ends and another worker takes the task.\n")
	write(t, filepath.Join(dir, "empty.md"), "")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "more"), 0o700))
	write(t, filepath.Join(dir, "more", "pears.txt"), "Pears are best eaten soon.")
	writeDocuments(t, dir, 0, 20)
	return dir
}

func TestEveryProviderTakesTheDocumentsToAnAnswer(t *testing.T) {
	for _, provider := range []string{app.Memory, app.SQLite, app.Redis, app.SQS, app.RabbitMQ, app.NATS} {
		t.Run(provider, func(t *testing.T) {
			r := demo(t, append(on(t, provider), "-dir", folder(t), "-data", t.TempDir(), "-query", "the lease of a dead worker")...)
			require.Zero(t, r.code, "%s%s", r.out, r.err)
			assert.Contains(t, r.out, "documents: 24 in ")
			assert.Contains(t, r.out, "24 to index")
			assert.Contains(t, r.out, "indexed: 24 documents in ")
			assert.Regexp(t, `the receiver took 24 messages, 6 of them at the second try`, r.out)
			assert.Regexp(t, `(?m)^1\. leases\.md \(0\.\d+\)\n   Leases › Ends\n     When its worker dies`, r.out)
			assert.NotContains(t, r.out, "resumed")
			assert.Regexp(t, `(?m)^\d+ of \d+ tasks done$`, r.err)

			// What died, why, and what became of it.
			assert.Regexp(t, `dead letters: 1\n  document [0-9a-f-]+\n    died on queue documents in attempt 3: this worker has no splitter "windows"\n    switched on\n    attempt 1: `, r.out)
			assert.Regexp(t, `redriven: [0-9a-f-]+, back on queue documents\ndone: what was dead is completed`, r.out)

			// Type, enqueued, completed, retried, dead.
			assert.Regexp(t, `(?m)^ +document +24 +24 +2 +1 +`, r.out)
			assert.Regexp(t, `(?m)^ +collaboration +24 +24 +0 +0 +`, r.out)
			assert.Regexp(t, `(?m)^ +webhook +24 +24 +6 +0 +`, r.out)
		})
	}
}

// TestTheDefaultQueryIsAnsweredByThePageAboutIt, on a terminal of 80 columns.
func TestTheDefaultQueryIsAnsweredByThePageAboutIt(t *testing.T) {
	r := demo(t, "-provider", app.Memory)
	require.Zero(t, r.code, "%s%s", r.out, r.err)
	assert.Contains(t, r.out, "\n1. docs/dead-letters.md (")
	for line := range strings.Lines(r.out) {
		if !strings.HasPrefix(line, "documents: ") { // which names folders
			assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 80, line)
		}
	}
}

func TestTheSecondRunHasNothingToDo(t *testing.T) {
	dir, data := folder(t), t.TempDir()
	require.Zero(t, demo(t, "-dir", dir, "-data", data).code)
	r := demo(t, "-dir", dir, "-data", data, "-query", "pears")
	require.Zero(t, r.code, "%s%s", r.out, r.err)
	assert.Contains(t, r.out, " 0 to index")
	assert.Contains(t, r.out, "indexed: 24 documents")
	assert.Contains(t, r.out, "1. ")
	assert.Contains(t, r.out, "more/pears.txt")
	assert.Contains(t, r.out, "this run had no task to run")
	assert.NotContains(t, r.out, "resumed")
}

func TestOnlyWhatChangedIsIndexedAgain(t *testing.T) {
	dir, data := folder(t), t.TempDir()
	require.Zero(t, demo(t, "-dir", dir, "-data", data).code)
	write(t, filepath.Join(dir, "leases.md"), "# Leases\n\nA lease is like a library card for tasks.\n")
	require.NoError(t, os.Remove(filepath.Join(dir, "more", "pears.txt")))
	r := demo(t, "-dir", dir, "-data", data, "-query", "library card")
	require.Zero(t, r.code, "%s%s", r.out, r.err)
	assert.Contains(t, r.out, "documents: 23 in ")
	assert.Contains(t, r.out, " 1 to index")
	assert.Contains(t, r.out, "indexed: 23 documents")
	assert.Contains(t, r.out, "the receiver took 25 messages")
	assert.Contains(t, r.out, "A lease is like a library card for tasks.")
	assert.NotContains(t, r.out, "dead letters")
}

func TestFreshForgetsEarlierRunsAndNothingElse(t *testing.T) {
	dir, data := folder(t), t.TempDir()
	require.Zero(t, demo(t, "-dir", dir, "-data", data).code)
	write(t, filepath.Join(data, "mine.txt"), "mine")
	r := demo(t, "-dir", dir, "-data", data, "-fresh")
	require.Zero(t, r.code, "%s%s", r.out, r.err)
	assert.Contains(t, r.out, "24 to index")
	assert.Contains(t, r.out, "the receiver took 24 messages")
	assert.FileExists(t, filepath.Join(data, "mine.txt"))
}

func TestWhatDiesAgainIsSaidAndLeftToTheNextRun(t *testing.T) {
	dir, data := folder(t), t.TempDir()
	var out, log bytes.Buffer
	code := run([]string{"-dir", dir, "-data", data, "-v"}, app.Config{Out: &out, Err: &log, Middleware: []runtime.Middleware{
		func(next runtime.Handler) runtime.Handler {
			return runtime.HandlerFunc(func(ctx context.Context, task *runtime.Task) error {
				if task.Type == tasks.TypeWebhook {
					return runtime.Skip(errors.New("no route to the receiver"))
				}
				return next.Handle(ctx, task)
			})
		},
	}})
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, out.String(), "died on queue webhooks in attempt 1: no route to the receiver")
	assert.Contains(t, log.String(), "docsearch: 24 tasks died again; the next run redrives them once more")
	assert.Contains(t, log.String(), `error="no route to the receiver"`)
	assert.NotContains(t, out.String(), "query: ")

	r := demo(t, "-dir", dir, "-data", data)
	require.Zero(t, r.code, "%s%s", r.out, r.err)
	assert.Contains(t, r.out, "resumed: 24 tasks were left by an earlier run (0 ready, 0 scheduled, 0 leased, 24 dead)")
	assert.Contains(t, r.out, " 0 to index")
	assert.Contains(t, r.out, "the receiver took 24 messages")
}

func TestADeadDocumentIsNotEnqueuedASecondTime(t *testing.T) {
	dir, data := folder(t), t.TempDir()
	stuck := func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, task *runtime.Task) error {
			if task.Type == tasks.TypeDocument {
				return runtime.Skip(errors.New("out of paper"))
			}
			return next.Handle(ctx, task)
		})
	}
	code := run([]string{"-dir", dir, "-data", data}, app.Config{Out: io.Discard, Err: io.Discard, Middleware: []runtime.Middleware{stuck}})
	require.Equal(t, exitFailed, code)
	r := demo(t, "-dir", dir, "-data", data)
	require.Zero(t, r.code, "%s%s", r.out, r.err)
	assert.Contains(t, r.out, " 24 dead)")
	assert.Contains(t, r.out, " 0 to index")
	assert.Regexp(t, `(?m)^ +document +0 +24 +\d+ +\d+ +`, r.out)
}

func TestTheDefaultFolderIsTheRepositoryAroundTheWorkingDirectory(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	inside := filepath.Join(root, "repo", "deep", "inside")
	require.NoError(t, os.MkdirAll(inside, 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(root, "repo", ".git"), 0o700))
	for start, want := range map[string]string{inside: filepath.Join(root, "repo"), root: root} {
		t.Chdir(start)
		var cfg app.Config
		require.NoError(t, parse(nil, &cfg))
		assert.Equal(t, want, cfg.Dir)
		assert.Equal(t, "sqlite", cfg.Provider)
		assert.NotEmpty(t, cfg.Query)
	}
}

func TestEachFolderHasDataOfItsOwn(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	assert.NotEqual(t, dataFolder("/a/notes", "sqlite"), dataFolder("/b/notes", "sqlite"))
	assert.Equal(t, dataFolder("/a/notes", "sqlite"), dataFolder("/a/notes", "sqlite"))
	assert.NotEqual(t, dataFolder("/a/notes", "sqlite"), dataFolder("/a/notes", "redis"))
	assert.Contains(t, filepath.Base(dataFolder("/a/notes", "sqlite")), "notes-")
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "flag provided but not defined: -provder", []string{"-provder", "memory"}},
		{exitUsage, `unexpected argument "memory"`, []string{"memory"}},
		{exitUsage, `there is no provider "kafka": use sqlite, memory, redis, sqs, rabbitmq or nats`, []string{"-provider", "kafka"}},
		{exitUsage, "-provider redis needs the -url of the broker, like redis://127.0.0.1:6379", []string{"-provider", "redis"}},
		{exitFailed, "there are no documents (.md, .markdown, .txt) in ", []string{"-provider", "memory", "-dir", t.TempDir()}},
		{exitFailed, "the folder of documents: ", []string{"-dir", filepath.Join(t.TempDir(), "none")}},
	} {
		r := demo(t, c.args...)
		assert.Equal(t, c.code, r.code, "%v", c.args)
		assert.Contains(t, r.err, c.want)
	}
}

func TestHelpListsTheFlags(t *testing.T) {
	r := demo(t, "-h")
	assert.Zero(t, r.code)
	for _, name := range []string{"-provider", "-url", "-dir", "-query", "-data", "-fresh", "-v"} {
		assert.Contains(t, r.out, "  "+name)
	}
}
