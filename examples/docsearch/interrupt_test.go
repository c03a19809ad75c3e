//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnInterruptedRunIsFinishedByTheNext(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	writeDocuments(t, dir, 0, 30)
	first := start(t, []string{envHold + "=until SIGINT"}, "-dir", dir, "-data", data)
	first.says(t, "holding")
	require.NoError(t, first.Process.Signal(os.Interrupt))
	out := first.ends(t)
	require.Equal(t, exitInterrupted, first.ProcessState.ExitCode(), "%s", out)
	assert.Regexp(t, `interrupted: [1-9]\d* tasks are left \(\d+ ready, \d+ scheduled, 0 leased, 0 dead\)\. Run the same command again`, out)
	assert.Contains(t, out, "this run, by type of task")

	second := demo(t, "-dir", dir, "-data", data)
	require.Zero(t, second.code, "%s%s", second.out, second.err)
	assert.Regexp(t, `resumed: [1-9]\d* tasks were left by an earlier run`, second.out)
	assert.Contains(t, second.out, "indexed: 30 documents")
	assert.Contains(t, second.out, "the receiver took 30 messages")
}

func TestAnInterruptSaysWhatTheSameCommandLoses(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"memory": {[]string{"-provider", "memory"}, "They end with this process: -provider sqlite keeps them."},
		"fresh":  {[]string{"-fresh", "-data", t.TempDir()}, "The same command forgets them: without -fresh"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeDocuments(t, dir, 0, 30)
			run := start(t, []string{envHold + "=until SIGINT"}, append(c.args, "-dir", dir)...)
			run.says(t, "holding")
			require.NoError(t, run.Process.Signal(os.Interrupt))
			out := run.ends(t)
			require.Equal(t, exitInterrupted, run.ProcessState.ExitCode(), "%s", out)
			assert.Contains(t, out, c.want)
			assert.NotContains(t, out, "Run the same command again")
		})
	}
}

func TestASecondInterruptEndsTheProcessAtOnce(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	writeDocuments(t, dir, 0, 30)
	c := start(t, []string{envHold + "=for good"}, "-dir", dir, "-data", data)
	c.says(t, "holding")
	// The handlers hang, so that stopping in good order would take until the
	// grace is over, and longer. How many signals it takes is not ours to say: two
	// that come at the same time count as one.
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for running := true; running; {
		_ = c.Process.Signal(os.Interrupt) // it may have ended just now
		select {
		case <-again.C:
		case <-c.done:
			running = false
		}
	}
	status := c.status()
	require.True(t, status.Signaled(), "it stopped in its own time: %s\n%s", c.ProcessState, c.out)
	assert.Equal(t, syscall.SIGINT, status.Signal())

	next := demo(t, "-dir", dir, "-data", data)
	require.Zero(t, next.code, "%s%s", next.out, next.err)
	assert.Regexp(t, `resumed: [1-9]\d* tasks`, next.out)
	assert.Contains(t, next.out, "indexed: 30 documents")
}
