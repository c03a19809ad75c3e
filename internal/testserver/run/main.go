// Run runs a command with test servers beside it:
//
//	go run ./internal/testserver/run [-keep] SERVER... -- COMMAND [ARGUMENT...]
//
// SERVER is redis, sqs, rabbitmq or nats. In the command's arguments {redis}
// stands for that server's URL, and so on, and in its environment are the
// variables that make tests use the same servers (TASKGEN_TEST_REDIS_URL, …).
// When the command has ended the servers are taken down, and their data are gone; with
// -keep they stay in the user's cache folder, for the next run with -keep.
// Run exits with the command's exit code.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/taskgen/taskgen/internal/testserver"
)

const usage = "usage: run [-keep] redis|sqs|rabbitmq|nats… -- command [argument…]"

// A kind is a server that can be asked for.
type kind struct {
	start    func() (*testserver.Server, error)
	variable string
	extra    []string // what clients want in their environment
}

var kinds = map[string]kind{
	"redis":    {func() (*testserver.Server, error) { return testserver.Redis() }, "TASKGEN_TEST_REDIS_URL", nil},
	"rabbitmq": {func() (*testserver.Server, error) { return testserver.RabbitMQ() }, "TASKGEN_TEST_RABBITMQ_URL", nil},
	"nats":     {func() (*testserver.Server, error) { return testserver.NATS() }, "TASKGEN_TEST_NATS_URL", nil},
	"sqs":      {testserver.SQS, "TASKGEN_TEST_SQS_ENDPOINT", []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"}},
}

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	end := slices.Index(args, "--")
	if end < 1 || end == len(args)-1 {
		return 2, errors.New(usage)
	}
	names, command := args[:end], slices.Clone(args[end+1:])
	keep := names[0] == "-keep"
	if keep {
		if names = names[1:]; len(names) == 0 {
			return 2, errors.New(usage)
		}
	}
	env := os.Environ()
	for _, name := range names {
		k, ok := kinds[name]
		if !ok {
			return 2, fmt.Errorf("there is no server %q; %s", name, usage)
		}
		start := k.start
		if keep {
			start = func() (*testserver.Server, error) { return kept(name) }
		}
		s, err := start()
		if err != nil {
			return 1, err
		}
		defer func() { err = errors.Join(err, s.Stop()) }()
		env = append(append(env, k.variable+"="+s.URL), k.extra...)
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], "{"+name+"}", s.URL)
		}
	}
	return follow(command, env)
}

// kept starts a server on the data that the run before it has left.
func kept(name string) (*testserver.Server, error) {
	cache, err := testserver.CacheDir()
	if err != nil {
		return nil, err
	}
	return testserver.Keep(name, filepath.Join(cache, "kept", name))
}

// follow runs the command to its end. An interrupt from the terminal reaches the
// command by itself; this process then waits for what the command makes of it.
func follow(command, env []string) (code int, err error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM {
				_ = cmd.Process.Signal(s) // it may have ended just now
			}
		case err := <-done:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return max(exit.ExitCode(), 1), nil
			}
			return 0, err
		}
	}
}
