package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const program = `package main

import (
	"context"

	"github.com/taskgen/taskgen/runtime"
	"example.com/mails/tasks"
)

func main() {
	ctx, m := context.Background(), runtime.NewManager(runtime.ManagerConfig{})
	r := runtime.NewRouter()
	tasks.RegisterNews(r, tasks.NewsHandlerFunc(func(context.Context, tasks.NewsTask) error { return nil }))
	if _, err := runtime.NewPool(m, r, runtime.PoolConfig{}); err != nil {
		panic(err)
	}
	if err := tasks.Send(ctx, m); err != nil {
		panic(err)
	}
%s}
`

const tasks = `//taskgen:defaults timeout=1m queue=mails
//taskgen:retry none
//taskgen:queue name=mails
package tasks

import (
	"context"

	"github.com/taskgen/taskgen/runtime"
)

// NewsTask sends news.
//
//taskgen:task
type NewsTask struct{ Issue int }

// MailTask sends a mail.
//
//taskgen:task
type MailTask struct{ To string }

// Send sends a mail.
func Send(ctx context.Context, m *runtime.Manager) error {
	_, err := EnqueueMail(ctx, m, MailTask{To: "ann"})
	return err
}
`

// newModule writes a program that adds lines to its main, and generates its code.
func newModule(t *testing.T, bin, lines string) (dir string) {
	t.Helper()
	return write(t, bin, "example.com/mails", map[string]string{"main.go": fmt.Sprintf(program, lines), "tasks/tasks.go": tasks})
}

// write makes a module of files, and generates the code of its folder tasks.
func write(t *testing.T, bin, module string, files map[string]string) (dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	files["go.mod"] = fmt.Sprintf("module %s\n\ngo 1.26\n\nrequire github.com/taskgen/taskgen v0.0.0\n\nreplace github.com/taskgen/taskgen => %s\n", module, root)
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	out, code := run(t, dir, filepath.Join(bin, "taskgen"), "./tasks")
	require.Zero(t, code, out)
	return dir
}

// run returns what a command prints, and its exit status.
func run(t *testing.T, dir, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod -buildvcs=false")
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); !failed {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// build returns a folder with this command and the generator.
func build(t *testing.T) (bin string) {
	t.Helper()
	if testing.Short() {
		t.Skip("it compiles programs")
	}
	bin = t.TempDir()
	out, code := run(t, "../..", "go", "build", "-o", bin+string(filepath.Separator), "./cmd/taskvet", "./cmd/taskgen")
	require.Zero(t, code, out)
	return bin
}

func TestFindingsAreReportedAloneAndByGoVet(t *testing.T) {
	bin := build(t)
	vet := filepath.Join(bin, "taskvet")

	dir := newModule(t, bin, "\ttasks.EnqueueNews(ctx, m, tasks.NewsTask{})\n")
	for name, command := range map[string][]string{
		"alone":     {vet, "./..."},
		"by go vet": {"go", "vet", "-vettool=" + vet, "./..."},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := run(t, dir, command[0], command[1:]...)
			want := map[string]int{"alone": 3, "by go vet": 1}[name]
			require.Equal(t, want, code, out)
			require.Regexp(t, `main.go:20:2: the error of tasks.EnqueueNews is ignored`, out)
			require.Regexp(t, `main.go:14:15: tasks.MailTask is enqueued at example.com/mails/tasks/tasks.go:24 .* call tasks.RegisterMail`, out)

			command = append(command[:len(command)-1], "-taskunhandled=false", "-taskunusedresult=false", "./...")
			out, code = run(t, dir, command[0], command[1:]...)
			require.Zero(t, code, out)
		})
	}

	dir = newModule(t, bin, "\ttasks.RegisterMail(r, nil)\n")
	for _, command := range [][]string{{vet, "./..."}, {"go", "vet", "-vettool=" + vet, "./..."}} {
		out, code := run(t, dir, command[0], command[1:]...)
		require.Zero(t, code, out)
		require.NotContains(t, out, "main.go")
	}
}

var (
	block   = regexp.MustCompile("(?ms)^```go (\\S+)\\n(.*?)^```")
	finding = regexp.MustCompile(`(?m)^(.+\.go:\d+):\d+: `)
)

// TestTheExamplesOfThePageAreReported holds the comments in docs/analyzer.md that say what is
// reported against what is.
func TestTheExamplesOfThePageAreReported(t *testing.T) {
	bin := build(t)
	page, err := os.ReadFile("../../docs/analyzer.md")
	require.NoError(t, err)
	files, lines := make(map[string]string), make(map[string]bool)
	for _, m := range block.FindAllStringSubmatch(string(page), -1) {
		files[m[1]] = m[2]
		for i, line := range strings.Split(m[2], "\n") {
			if strings.Contains(line, "// reported") {
				lines[fmt.Sprintf("%s:%d", m[1], i+1)] = true
			}
		}
	}
	require.NotEmpty(t, lines)
	dir := write(t, bin, "example.com/hello", files)
	out, code := run(t, dir, filepath.Join(bin, "taskvet"), "./...")
	require.Equal(t, 3, code, out)
	got := make(map[string]bool)
	for _, m := range finding.FindAllStringSubmatch(out, -1) {
		name, err := filepath.Rel(dir, m[1])
		require.NoError(t, err)
		got[filepath.ToSlash(name)] = true
	}
	require.Equal(t, lines, got, out)
}
