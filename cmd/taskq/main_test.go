package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"taskq": main})
}

// The scripts run taskq against a server of their own, which the environment names: SERVER is
// its URL, and TASKQ_TOKEN the token of an admin; fixture_test.go says what is on it. SQLITE is
// the URL of a broker with the same queues. The commands:
//
//	exits CODE COMMAND…   runs a command, which must have this exit code
//	shape MESSAGE         the output must be this message of the API as JSON
//	shape -lines MESSAGE  each line of the output must be one
//	replace FILE OLD NEW  replaces a text in a file
//	redis PREFIX          sets REDIS to the URL of a broker, with this prefix
//	freeport NAME         sets a variable to a port that nobody listens on
//	interrupts TEXT COMMAND…  runs a command, and interrupts it once it has said this on standard
//	                      error; its exit code must be 130
func TestScripts(t *testing.T) { runScripts(t, testscript.Params{Dir: "testdata/script"}) }

// variables is the key of the environment of a script.
type variables struct{}

func runScripts(t *testing.T, p testscript.Params) {
	p.Setup = func(e *testscript.Env) error {
		f, err := newFixture(e.WorkDir)
		if err != nil {
			return err
		}
		e.Defer(f.close)
		for name, value := range map[string]string{
			"SERVER": f.url, "TASKQ_SERVER": f.url, "TASKQ_TOKEN": adminToken, "SQLITE": f.sqlite, "CANARY": canary,
			"XDG_CONFIG_HOME": filepath.Join(e.WorkDir, "xdg"), "NO_COLOR": "", "CLICOLOR_FORCE": "", "TERM": "xterm", "EDITOR": "",
		} {
			e.Setenv(name, value)
		}
		e.Values[variables{}] = e.Vars
		return f.tokenFiles(e.WorkDir)
	}
	p.Cmds = map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "shape": shape, "replace": replace, "redis": startRedis, "freeport": freePort, "interrupts": interrupts}
	p.RequireExplicitExec, p.RequireUniqueNames = true, true
	testscript.Run(t, p)
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, not %d", strings.Join(args[1:], " "), got, want)
	}
}

// interrupts sends the signal itself: the shell has what it runs in the background ignore it.
func interrupts(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, set := range ts.Value(variables{}).([]string) {
		name, _, _ := strings.Cut(set, "=")
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Stdout = ts.Stdout()
	said, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		fmt.Fprintln(ts.Stderr(), lines.Text())
		if strings.Contains(lines.Text(), args[0]) {
			ts.Check(cmd.Process.Signal(os.Interrupt))
		}
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != exit.Interrupted {
		ts.Fatalf("%s is not interrupted: %v", strings.Join(args[1:], " "), err)
	}
}

func shape(ts *testscript.TestScript, _ bool, args []string) {
	documents := []string{ts.ReadFile("stdout")}
	if args[0] == "-lines" {
		args = args[1:]
		documents = strings.Split(strings.TrimSuffix(documents[0], "\n"), "\n")
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("taskgen.v1." + args[0]))
	ts.Check(err)
	for _, text := range documents {
		ts.Check(protojson.Unmarshal([]byte(text), kind.New().Interface()))
	}
}

func replace(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}

func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv(args[0], port)
}
