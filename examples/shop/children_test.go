//go:build unix

package shop

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/output"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(cleanUp)) }

func cleanUp(code int) {
	_ = os.RemoveAll(buildDir)
	os.Exit(code)
}

// patience bounds how long a program may take for what it must do. It is far more than any
// machine needs.
const patience = 2 * time.Minute

// A child is one of the programs in a process of its own.
type child struct {
	*exec.Cmd
	log  *output.Buffer
	done chan struct{} // closed when it has ended
}

// start starts a program with the configuration that its image has.
func start(t *testing.T, program string, env ...string) *child {
	t.Helper()
	c := &child{
		Cmd: exec.CommandContext(t.Context(), binary(t, program), "-config", filepath.Join(root, "examples", program, "config.yaml")),
		log: new(output.Buffer), done: make(chan struct{}),
	}
	c.Env = append(os.Environ(), env...)
	c.Stderr = c.log
	require.NoError(t, c.Start())
	go func() {
		defer close(c.done)
		_ = c.Wait() // ProcessState says how it ended
	}()
	t.Cleanup(func() { // the end of the test's context has killed it, if nothing else did
		<-c.done
		if t.Failed() {
			t.Logf("%s: %s\n%s", program, c.ProcessState, c.log)
		}
	})
	return c
}

// says waits for a record of the log, and returns one of its attributes as a text.
func (c *child) says(t *testing.T, message, attribute string) string {
	t.Helper()
	limit := time.After(patience)
	for {
		log, more := c.log.Read()
		if record := find(log, message); record != nil {
			text, _ := record[attribute].(string)
			return text
		}
		select {
		case <-more:
		case <-c.done:
			if find(c.log.String(), message) == nil {
				require.FailNow(t, "the program has ended, and did not say "+message)
			}
		case <-limit:
			require.FailNow(t, "the program does not say "+message)
		}
	}
}

// terminate sends SIGTERM, and waits until the program knows.
func (c *child) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	c.says(t, "stopping", "")
}

// ends waits for the end of the program, which must be a good one.
func (c *child) ends(t *testing.T) {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		require.FailNow(t, "the program does not end")
	}
	require.Zero(t, c.ProcessState.ExitCode(), "%s", c.log)
}

// find returns the first record of a log with a message, or nil.
func find(log, message string) map[string]any {
	for line := range bytes.Lines([]byte(log)) {
		var record map[string]any
		if json.Unmarshal(line, &record) == nil && record["msg"] == message {
			return record
		}
	}
	return nil
}
