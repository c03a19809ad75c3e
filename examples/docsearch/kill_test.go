//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sqlitedb "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime/driver"

	"github.com/taskgen/taskgen/examples/docsearch/internal/app"
	"github.com/taskgen/taskgen/examples/docsearch/internal/webhook"
	"github.com/taskgen/taskgen/examples/docsearch/tasks"
)

const (
	firstRound  = 30 // documents at the start
	perRound    = 10 // new ones before each further start, so that there is work to kill
	mostHandled = 90 // tasks from a start to its kill; 10 documents make some 60
	longestTime = 200 * time.Millisecond
)

// TestKilledManyTimesLosesNothing kills the demo with SIGKILL at random moments,
// lets it finish, and holds what is there against what must be there.
func TestKilledManyTimesLosesNothing(t *testing.T) {
	for provider, kills := range map[string]int{app.SQLite: 20, app.Redis: 10} {
		t.Run(provider, func(t *testing.T) { kill(t, on(t, provider), kills) })
	}
}

func kill(t *testing.T, provider []string, kills int) {
	dir, data := t.TempDir(), t.TempDir()
	args := append(provider, "-dir", dir, "-data", data)
	book := filepath.Join(t.TempDir(), "ledger")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	documents := firstRound
	writeDocuments(t, dir, 0, documents)
	killed, rounds, resumed := 0, 0, 0
	for ; killed < kills && rounds < 3*kills; rounds++ { // a process that ends before its kill does not count
		c := start(t, []string{envLedger + "=" + book}, args...)
		if rounds%4 == 0 { // a moment of the start, when queues are opened and documents listed
			c.killAfter(t, time.Duration(r.Int64N(int64(longestTime))))
		} else { // a moment of the work, however fast the machine is
			c.killAfterTasks(t, book, r.IntN(mostHandled), time.Duration(r.Int64N(int64(5*time.Millisecond))))
		}
		out := c.ends(t)
		resumed += strings.Count(out, "resumed: ")
		if status := c.status(); status.Signaled() {
			require.Equal(t, syscall.SIGKILL, status.Signal(), "%s", out)
			killed++
		} else {
			require.Zero(t, status.ExitStatus(), "%s", out)
		}
		writeDocuments(t, dir, documents, perRound)
		documents += perRound
	}
	require.Equal(t, kills, killed, "the work was done too soon, %d times", rounds-killed)

	last := start(t, []string{envLedger + "=" + book}, args...)
	out := last.ends(t)
	require.Zero(t, last.ProcessState.ExitCode(), "%s", out)
	assert.NotZero(t, resumed+strings.Count(out, "resumed: "), "no kill left anything to do")
	t.Logf("%d kills in %d rounds, %d documents; the last run:\n%s", killed, rounds, documents, out)

	requireNothingLost(t, book)
	requireQueuesEmpty(t, args)
	requireAnnounced(t, dir, data, documents)
	requireSameIndex(t, dir, data)
}

// killAfter kills the child after a time, if it still runs.
func (c *child) killAfter(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
		_ = c.Process.Kill() // it may have ended just now
	case <-c.done:
	}
}

// killAfterTasks kills the child a little after it has handled some tasks, if it
// still runs.
func (c *child) killAfterTasks(t *testing.T, book string, n int, andThen time.Duration) {
	t.Helper()
	file, err := os.OpenFile(book, os.O_RDONLY|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer file.Close()
	_, err = file.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for handledSoFar := 0; handledSoFar < n; {
		select {
		case <-look.C:
		case <-c.done:
			return
		}
		notes, err := io.ReadAll(file) // what is new
		require.NoError(t, err)
		handledSoFar += bytes.Count(notes, []byte(handled))
	}
	c.killAfter(t, andThen)
}

// requireNothingLost: each task whose enqueue returned no error was handled to
// the end, and no task came from nowhere.
func requireNothingLost(t *testing.T, book string) {
	t.Helper()
	notes := readLedger(t, book)
	require.NotEmpty(t, notes[accepted])
	for id, kind := range notes[accepted] {
		require.Contains(t, notes[handled], id, "the %s task is lost", kind)
	}
	for id, kind := range notes[handled] {
		require.Contains(t, notes[offered], id, "nobody enqueued this %s task", kind)
	}
	t.Logf("ledger: %d tasks offered, %d accepted, %d handled", len(notes[offered]), len(notes[accepted]), len(notes[handled]))
}

// requireQueuesEmpty: what was handled is also off the queues, and nothing is
// dead.
func requireQueuesEmpty(t *testing.T, args []string) {
	t.Helper()
	var cfg app.Config
	require.NoError(t, parse(args, &cfg))
	provider, err := app.OpenProvider(t.Context(), cfg)
	require.NoError(t, err)
	defer provider.Close()
	for _, cfg := range tasks.Queues() {
		q, err := provider.Open(context.Background(), cfg)
		require.NoError(t, err)
		stats, err := q.Stats(context.Background())
		require.NoError(t, err)
		assert.Equal(t, driver.Stats{}, stats, "queue %s", cfg.Name)
	}
}

// requireAnnounced: the receiver took one announcement of each document in the
// index, in its version, and no message twice.
func requireAnnounced(t *testing.T, dir, data string, documents int) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(data, "received.jsonl"))
	require.NoError(t, err)
	taken := make(map[string]bool)
	versions := make(map[string]string)
	for line := range bytes.Lines(file) {
		var e webhook.Entry
		require.NoError(t, json.Unmarshal(line, &e))
		if e.Status != 200 {
			continue
		}
		require.False(t, taken[e.ID], "%s was taken twice", e.ID)
		taken[e.ID] = true
		var body struct{ Document, Version string }
		require.NoError(t, json.Unmarshal(e.Body, &body))
		versions[body.Document] = body.Version
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.md"))
	require.NoError(t, err)
	require.Len(t, files, documents)
	for _, row := range rows(t, data, `SELECT path, version FROM documents WHERE finished`) {
		assert.Equal(t, row[1], versions[row[0]], "%s is not announced", row[0])
	}
	assert.Len(t, versions, documents)
}

// requireSameIndex: the index is what a run that nobody disturbs makes of the
// same documents, to the last bit of each vector.
func requireSameIndex(t *testing.T, dir, data string) {
	t.Helper()
	undisturbed := t.TempDir()
	r := demo(t, "-dir", dir, "-data", undisturbed)
	require.Zero(t, r.code, "%s%s", r.out, r.err)
	for _, query := range []string{
		`SELECT path, version, title, chunks, finished FROM documents ORDER BY path`,
		`SELECT path, version, number, heading, text, hex(vector) FROM chunks ORDER BY path, version, number`,
	} {
		want, got := rows(t, undisturbed, query), rows(t, data, query)
		require.NotEmpty(t, want)
		require.Equal(t, len(want), len(got), "%s", query)
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	}
}

func rows(t *testing.T, data, query string) (all [][]string) {
	t.Helper()
	conn, err := sqlitedb.OpenConn(filepath.Join(data, "index.db"), sqlitedb.OpenReadWrite)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlitedb.Stmt) error {
		row := make([]string, s.ColumnCount())
		for i := range row {
			row[i] = fmt.Sprint(s.ColumnText(i))
		}
		all = append(all, row)
		return nil
	}}))
	return all
}
