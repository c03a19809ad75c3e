package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/server"
)

// What the commands of docs/api.md enqueue.
type pageMail struct {
	To string `json:"to"`
}

var pageMailSpec = runtime.Spec[pageMail]{
	Type: "mail", Queue: "mails", Retry: runtime.RetryPolicy{Max: 2, Base: time.Millisecond},
	Schema: `{"type":"object","properties":{"to":{"type":"string"}},"required":["to"],"additionalProperties":false}`,
}

type pageNote struct {
	Text string `json:"text"`
}

var pageNoteSpec = runtime.Spec[pageNote]{Type: "note", Queue: "notes", Retry: runtime.RetryPolicy{Max: 2, Base: time.Millisecond}}

const pageToken = "the token of the page"

// pageServer serves mails and notes on loopback, and returns its URL and manager.
func pageServer(t *testing.T) (base string, m *runtime.Manager, results driver.ResultStore) {
	t.Helper()
	p := memory.New()
	kept := memory.NewResults()
	m = runtime.NewManager(runtime.ManagerConfig{Results: kept})
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mails", Types: []string{"mail"}}, runtime.QueueConfig{Name: "notes", Types: []string{"note"}}))
	s, err := server.New(server.Config{
		Manager: m, Types: []server.Type{&pageMailSpec, &pageNoteSpec}, Results: kept,
		Scheduler: schedule.New(memory.NewJobs(), m, schedule.Config{}),
		Tokens:    []server.Token{{Name: "page", Role: server.Admin, Secret: pageToken}},
	})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeOn(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-done)
		assert.NoError(t, m.Close())
		assert.NoError(t, p.Close())
	})
	return "http://" + ln.Addr().String(), m, kept
}

// TestTheCommandsOfThePageWork runs every command of docs/api.md in one shell. Where an answer
// stands below a command, that is what it prints, but for times.
func TestTheCommandsOfThePageWork(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "scripts/setup.sh servers gets it")
	}
	page, err := os.ReadFile(filepath.Join("..", "docs", "api.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```(sh|json)\n(.*?)^```$").FindAllSubmatch(page, -1)
	const mark = "--- end of the block ---"
	script := "set -euo pipefail\n"
	var commands, answers []string // an answer may be missing
	for _, b := range blocks {
		if string(b[1]) == "sh" {
			script += string(b[2]) + "echo '" + mark + "'\n"
			commands, answers = append(commands, string(b[2])), append(answers, "")
		} else {
			answers[len(answers)-1] = string(b[2])
		}
	}
	require.Greater(t, len(commands), 8)
	base, m, _ := pageServer(t)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Env = append(os.Environ(), "API="+base, "TOKEN="+pageToken)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", out, &stderr)
	printed := strings.Split(string(out), mark+"\n")
	require.Len(t, printed, len(commands)+1)
	for i, command := range commands {
		refused := strings.Contains(command, `\"too\"`)
		failed := strings.Contains(regexp.MustCompile(`"code": *"ok"`).ReplaceAllString(printed[i], ""), `"code"`) // "ok" is of an audit record
		assert.Equal(t, refused, failed, "%s\n%s", command, printed[i])
		if refused {
			assert.Contains(t, printed[i], "invalid_argument")
			assert.Contains(t, printed[i], "too")
		}
		if answers[i] != "" {
			assert.Equal(t, timeless(t, answers[i]), timeless(t, printed[i]), command)
		}
	}
	q, err := m.Queue("mails")
	require.NoError(t, err)
	stats, err := q.Stats(t.Context())
	require.NoError(t, err)
	assert.Equal(t, driver.Stats{Ready: 1, Scheduled: 1}, driver.Stats{Ready: stats.Ready, Scheduled: stats.Scheduled, Leased: stats.Leased, Dead: stats.Dead}, "the first mail is done, and of the batch one is due")
}

// timeless is JSON with a mark in place of each time.
func timeless(t *testing.T, text string) any {
	t.Helper()
	text = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`).ReplaceAllString(text, `"time"`)
	var v any
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// TestAWorkerInJavaScript has the worker of the examples take tasks that a producer in
// JavaScript enqueues: one of them fails once, and one for good.
func TestAWorkerInJavaScript(t *testing.T) {
	node, err := testserver.Node()
	require.NoError(t, err)
	base, m, results := pageServer(t)
	client, err := filepath.Abs(filepath.Join("..", "examples", "otherlanguages", "worker.mjs"))
	require.NoError(t, err)
	program := `
import { client, work } from ` + string(quoted(t, "file://"+filepath.ToSlash(client))) + `;
const api = client(process.env.API, process.env.TOKEN);
const enqueue = (id, text) => api.call("Enqueue", { task: { type: "note", id, payload: JSON.stringify({ text }) } });
await enqueue("works", "hello");
await enqueue("fails-once", "again");
const { outcomes } = await api.call("EnqueueBatch", { tasks: [
  { type: "note", id: "fails-for-good", payload: JSON.stringify({ text: "never" }) },
  { type: "note", payload: JSON.stringify({ txt: 1 }) },
  { type: "nothing", payload: "{}" },
] });
console.log(outcomes.map((o) => o.error?.code ?? "ok").join(" "));
work(api, "notes", async ({ text }, task, attempt) => {
  if (text === "again" && attempt === 1) throw new Error("not yet");
  if (text === "never") throw Object.assign(new Error("no use"), { permanent: true });
  return { said: text, attempt };
});
for (const id of ["works", "fails-once", "fails-for-good"]) {
  const { state, result, failure } = await api.call("AwaitResult", { id, wait: "60s" });
  console.log(id, state, result || failure);
}
process.exit(0);
`
	file := filepath.Join(t.TempDir(), "notes.mjs")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
	cmd := exec.CommandContext(t.Context(), node, file)
	cmd.Env = append(os.Environ(), "API="+base, "TOKEN="+pageToken)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, `ok invalid_argument not_found
works TASK_STATE_DONE {"said":"hello","attempt":1}
fails-once TASK_STATE_DONE {"said":"again","attempt":2}
fails-for-good TASK_STATE_DEAD no use
`, string(out))
	_, err = results.Await(t.Context(), "works")
	require.NoError(t, err)
	s, err := m.Lookup(t.Context(), "fails-for-good")
	require.NoError(t, err)
	assert.Equal(t, driver.Dead, s.State)
}

func quoted(t *testing.T, s string) []byte {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return b
}
