package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	for _, provider := range []string{"memory", "sqlite"} {
		t.Run(provider, func(t *testing.T) {
			r := demo(t, "-provider", provider, "-dir", folder(t), "-data", t.TempDir(), "-query", "the lease of a dead worker")
			require.Zero(t, r.code, "%s%s", r.out, r.err)
			assert.Contains(t, r.out, "documents: 24 in ")
			assert.Contains(t, r.out, "24 to index")
			assert.Contains(t, r.out, "indexed: 24 documents in ")
			assert.Contains(t, r.out, "the receiver took 24 announcements")
			assert.Regexp(t, `(?m)^1\. 0\.\d+  leases\.md › Leases › Ends\n +When its worker dies`, r.out)
			assert.NotContains(t, r.out, "resumed")
			assert.Regexp(t, `(?m)^\d+ of \d+ tasks done$`, r.err)

			// What died, why, and what became of it.
			assert.Regexp(t, `dead: 1 of the tasks\n  document [0-9a-f-]+ on queue documents, after 3 attempts: this worker has no splitter "windows" switched on\n    attempt 1: `, r.out)
			assert.Regexp(t, `redriven: [0-9a-f-]+, back on queue documents\ndone: what was dead is completed`, r.out)

			// Type, enqueued, completed, retried, dead.
			assert.Regexp(t, `(?m)^ +document +24 +24 +2 +1 +`, r.out)
			assert.Regexp(t, `(?m)^ +collaboration +24 +24 +0 +0 +`, r.out)
			assert.Regexp(t, `(?m)^ +webhook +24 +24 +[1-9]\d* +0 +`, r.out)
		})
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
	assert.Contains(t, r.out, "the receiver took 25 announcements")
	assert.Contains(t, r.out, "A lease is like a library card for tasks.")
	assert.NotContains(t, r.out, "dead: ")
}

func TestFreshForgetsEarlierRunsAndNothingElse(t *testing.T) {
	dir, data := folder(t), t.TempDir()
	require.Zero(t, demo(t, "-dir", dir, "-data", data).code)
	write(t, filepath.Join(data, "mine.txt"), "mine")
	r := demo(t, "-dir", dir, "-data", data, "-fresh")
	require.Zero(t, r.code, "%s%s", r.out, r.err)
	assert.Contains(t, r.out, "24 to index")
	assert.Contains(t, r.out, "the receiver took 24 announcements")
	assert.FileExists(t, filepath.Join(data, "mine.txt"))
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "flag provided but not defined: -provder", []string{"-provder", "memory"}},
		{exitUsage, `unexpected argument "memory"`, []string{"memory"}},
		{exitFailed, `there is no provider "redis": use memory or sqlite`, []string{"-provider", "redis", "-dir", t.TempDir()}},
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
	for _, name := range []string{"-provider", "-dir", "-query", "-data", "-fresh", "-v"} {
		assert.Contains(t, r.out, "  "+name)
	}
}
