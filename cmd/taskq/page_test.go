package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/cmd/taskq/internal/command"
)

var update = flag.Bool("update", false, "rewrite the generated part of docs/cli.md")

const page = "../../docs/cli.md"

// TestThePageIsWhatTheCommandsAre keeps docs/cli.md equal to the commands. Run with -update to
// rewrite it.
func TestThePageIsWhatTheCommandsAre(t *testing.T) {
	const begin, end = "<!-- begin of reference -->\n", "<!-- end of reference -->\n"
	data, err := os.ReadFile(page)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(data), begin)
	require.True(t, ok, "%s has no line %q", page, begin)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no line %q", page, end)
	want := head + begin + "\n" + command.Page() + "\n" + end + tail
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(data), "out of date: go test ./cmd/taskq -run Page -update")
}

// Before the commands of the page there is what they are about.
const prelude = `
env HOME=$WORK
mkdir .secrets
cp viewer.token .secrets/prod
exec taskq ctx add prod $SERVER
redis page%d
%sexec sh -e commands.sh

-- mail.json --
{"to": "eve@example.com"}
-- taskgen.yaml --
providers:
  main: {url: 'memory:'}
queues:
  emails: {}
server:
  listen: 127.0.0.1:0
-- commands.sh --
`

// A block that is about a bulk job has one that was interrupted.
const interrupted = `
interrupts 'has begun' taskq dlq redrive emails dead-2 dead-3 --rate 0.1
exec taskq __complete bulk show ''
cp stdout jobs
exec head -1 jobs
cp stdout job
`

// TestTheCommandsOfThePageWork runs every command of docs/cli.md, each block on a server of its
// own. A word that stands for something is replaced by it.
func TestTheCommandsOfThePageWork(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(blocks), 40)
	dir := t.TempDir()
	for i, b := range blocks {
		commands := strings.NewReplacer("redis://localhost", "$REDIS", "https://tasks.example.com", "$SERVER", "JOB", "$(cat job)").Replace(b[1])
		before := ""
		if strings.Contains(b[1], "JOB") {
			before = interrupted
		}
		if strings.HasPrefix(commands, "taskq serve") { // it ends by a signal
			commands = strings.TrimSuffix(commands, "\n") + " 2>log &\nserves=$!\nuntil grep -q 'is served' log; do :; done\nkill -INT $serves\nwait $serves\n"
		}
		script := fmt.Sprintf(prelude, i, before) + commands
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("block%02d.txtar", i)), []byte(script), 0o600))
	}
	runScripts(t, testscript.Params{Dir: dir})
}
