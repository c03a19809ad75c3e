package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// childEnv names the function that a copy of the test binary runs in place of
// the tests: the other processes of these tests are real ones. fileEnv is the
// file that it works on.
const (
	childEnv = "TASKGEN_SQLITE_CHILD"
	fileEnv  = "TASKGEN_SQLITE_FILE"
)

var children = map[string]func(ctx context.Context, p *Provider, q *queue) error{
	"churn":   churn,
	"enqueue": enqueueOne,
	"result":  putResult,
	"fill":    fill,
}

// runChild does what the environment says until its parent kills it or is
// gone.
func runChild(do func(context.Context, *Provider, *queue) error) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the parent holds the other end as long as it lives
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	p, err := Open(context.Background(), os.Getenv(fileEnv))
	if err == nil {
		var q driver.Queue
		if q, err = p.Open(ctx, driver.QueueConfig{Name: "q"}); err == nil {
			err = errors.Join(do(ctx, p, q.(*queue)), p.Close())
		}
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// say writes one line to the parent, in one write, so that a kill cuts none in
// two.
func say(words ...any) { _, _ = os.Stdout.WriteString(fmt.Sprintln(words...)) }

// churn enqueues, dequeues and completes. It says what it is about to do in
// lower case and what was acknowledged in upper case.
func churn(ctx context.Context, _ *Provider, q *queue) error {
	for round := 0; ctx.Err() == nil; round++ {
		ts := make([]*driver.Task, 1+round%20)
		ids := make([]string, len(ts))
		for i := range ts {
			ts[i] = task(fmt.Sprintf("%d-%d-%d", os.Getpid(), round, i))
			ids[i] = ts[i].ID
		}
		if _, err := q.Enqueue(ctx, ts); err != nil {
			return err
		}
		say("ENQUEUED", strings.Join(ids, " "))
		ds, err := q.Dequeue(ctx, 1+round%7, time.Minute)
		if err != nil {
			return err
		}
		say("completing", strings.Join(idsOf(ds), " "))
		if err := q.Complete(ctx, ds); err != nil {
			return err
		}
		say("COMPLETED", strings.Join(idsOf(ds), " "))
	}
	return nil
}

// enqueueOne enqueues a task when its parent says so.
func enqueueOne(ctx context.Context, _ *Provider, q *queue) error {
	say("ready")
	<-ctx.Done()
	_, err := q.Enqueue(context.Background(), []*driver.Task{task("from another process")})
	say("done", err)
	return err
}

func putResult(ctx context.Context, p *Provider, _ *queue) error {
	say("ready")
	<-ctx.Done()
	return p.Results().PutResult(context.Background(), "t1", []byte(`"from another process"`), "", time.Hour)
}

// fill enqueues 200 tasks, one by one, and says how many tasks of others passed
// one of them at most.
func fill(ctx context.Context, _ *Provider, q *queue) error {
	ready := func() (int64, error) {
		s, err := q.Stats(ctx)
		return s.Ready, err
	}
	var most int64
	for i := range 200 {
		before, err := ready()
		if err != nil {
			return err
		}
		if _, err := q.Enqueue(ctx, []*driver.Task{task(fmt.Sprintf("%d-%d", os.Getpid(), i))}); err != nil {
			return err
		}
		after, err := ready()
		if err != nil {
			return err
		}
		most = max(most, after-before)
	}
	say("passed", most)
	return nil
}

// A child is another process on the file.
type child struct {
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Reader
	errs  strings.Builder
}

func spawn(t *testing.T, role, path string) *child {
	self, err := os.Executable()
	require.NoError(t, err)
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), childEnv+"="+role, fileEnv+"="+path)
	c.cmd.Stderr = &c.errs
	c.in, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.lines = bufio.NewReader(out)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// line reads the next whole line; "" at the end.
func (c *child) line() string {
	text, err := c.lines.ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(text, "\n")
}

// rest reads all lines to the end and waits for the process.
func (c *child) rest() (lines []string) {
	for text := c.line(); text != ""; text = c.line() {
		lines = append(lines, text)
	}
	_ = c.cmd.Wait()
	return lines
}

// kill ends the process with SIGKILL and returns what it said that was not read
// yet.
func (c *child) kill() []string {
	_ = c.cmd.Process.Kill()
	return c.rest()
}

// quit tells the process to go on and waits for its good end.
func (c *child) quit(t *testing.T) []string {
	require.NoError(t, c.in.Close())
	lines := c.rest()
	require.True(t, c.cmd.ProcessState.Success(), "%s: %s", c.cmd.ProcessState, &c.errs)
	return lines
}
