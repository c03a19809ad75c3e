package cache_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator"
	"github.com/taskgen/taskgen/generator/internal/cache"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
)

const taskFile = `//taskgen:defaults timeout=1m
//taskgen:retry none
//taskgen:queue name=work
package tasks

import (
	"example.com/dep"
	"example.com/dep/far"
)

// PayTask pays.
//
//taskgen:task queue=work
type PayTask struct {
	Amount dep.Money ` + "`json:\"amount\"`" + `
	Note   string    ` + "`json:\"note,omit\"`" + `
}

var _ = far.Away
`

var files = map[string]string{
	"app/tasks/tasks.go":      taskFile,
	"app/tasks/other.go":      "package tasks\n\nconst other = 1\n",
	"app/tasks/tasks_test.go": "package tasks\n\nconst inTest = 1\n",
	"app/tasks/away.go":       "//go:build never\n\npackage tasks\n\nconst away = 1\n",
	"dep/go.mod":              "module example.com/dep\n\ngo 1.26.0\n",
	"dep/dep.go":              "package dep\n\nimport \"example.com/dep/near\"\n\ntype Money struct{ Cents near.Cents }\n",
	"dep/near/near.go":        "package near\n\ntype Cents int64\n",
	"dep/far/far.go":          "package far\n\nfunc Away() int { return 1 }\n",
}

// An env is a module with a package of tasks and a module that it depends on, and
// a cache.
type env struct {
	t      *testing.T
	root   string
	config generator.Config
}

func newEnv(t *testing.T) *env {
	t.Helper()
	root := t.TempDir()
	e := &env{t: t, root: root}
	for name, text := range files {
		e.write(name, text)
	}
	repo, err := filepath.Abs("../../..")
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(repo, "go.mod"))
	require.NoError(t, err)
	sum, err := os.ReadFile(filepath.Join(repo, "go.sum"))
	require.NoError(t, err)
	_, mod, _ = bytes.Cut(mod, []byte("\n"))
	e.write("app/go.mod", fmt.Sprintf("module example.com/app\n%s\nrequire (\n\tgithub.com/taskgen/taskgen v0.0.0\n\texample.com/dep v0.0.0\n)\n\nreplace (\n\tgithub.com/taskgen/taskgen => %s\n\texample.com/dep => ../dep\n)\n", mod, repo))
	e.write("app/go.sum", string(sum))
	e.config = generator.Config{
		Dir: filepath.Join(root, "app"), Patterns: []string{"./..."}, Cache: filepath.Join(root, "cache"),
		Env: append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOPROXY=off", "GOTOOLCHAIN=local"),
	}
	return e
}

func (e *env) path(name string) string { return filepath.Join(e.root, name) }

func (e *env) write(name, text string) {
	e.t.Helper()
	require.NoError(e.t, os.MkdirAll(filepath.Dir(e.path(name)), 0o755))
	require.NoError(e.t, os.WriteFile(e.path(name), []byte(text), 0o644))
}

func (e *env) read(name string) string {
	e.t.Helper()
	src, err := os.ReadFile(e.path(name))
	require.NoError(e.t, err)
	return string(src)
}

// generate runs the generator, and says what is to be written.
func (e *env) generate() (*generator.Result, []generator.Change) {
	e.t.Helper()
	run, err := generator.Generate(e.t.Context(), e.config)
	require.NoError(e.t, err)
	changes, err := run.Changes()
	require.NoError(e.t, err)
	return run, changes
}

// update is what a command does that writes.
func (e *env) update() *generator.Result {
	e.t.Helper()
	run, changes := e.generate()
	require.NoError(e.t, generator.Write(changes))
	run.Remember(changes)
	return run
}

// settle brings the module into a state that is remembered.
func (e *env) settle() {
	e.t.Helper()
	e.update()
	e.update()
	require.True(e.t, e.update().Remembered)
}

const generated = "app/tasks/tasks_taskgen.go"

func TestEveryInputCountsByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("it generates dozens of times")
	}
	e := newEnv(t)
	e.settle()
	edit := func(name, from, to string) func() {
		return func() {
			text := e.read(name)
			require.Contains(t, text, from)
			e.write(name, strings.Replace(text, from, to, 1))
		}
	}
	remove := func(name string) func() { return func() { require.NoError(t, os.Remove(e.path(name))) } }
	add := func(name, text string) func() { return func() { e.write(name, text) } }
	setenv := func(kv string) func() { return func() { e.config.Env = append(e.config.Env, kv) } }
	for name, change := range map[string]func(){
		"a field":                           edit("app/tasks/tasks.go", "Note   string", "Note   []byte"),
		"a comment":                         edit("app/tasks/tasks.go", "PayTask pays", "PayTask pays back"),
		"a handwritten file beside":         edit("app/tasks/other.go", "other", "another"),
		"a test file":                       edit("app/tasks/tasks_test.go", "inTest", "inTests"),
		"a file that is not built":          edit("app/tasks/away.go", "away", "far"),
		"a new file":                        add("app/tasks/new.go", "package tasks\n"),
		"a new test file":                   add("app/tasks/new_test.go", "package tasks\n"),
		"a new test of another package":     add("app/tasks/newer_test.go", "package tasks_test\n"),
		"a new file that is not built":      add("app/tasks/new_plan9.go", "package tasks\n"),
		"a new package":                     add("app/more/more.go", "package more\n"),
		"a new package built elsewhere":     add("app/far/far_plan9.go", "//taskgen:queue name=far\npackage far\n"),
		"a file less":                       remove("app/tasks/other.go"),
		"a test file less":                  remove("app/tasks/tasks_test.go"),
		"a type of a dependency":            edit("dep/dep.go", "Cents near", "Pence near"),
		"a type of a dependency's":          edit("dep/near/near.go", "int64", "int32"),
		"a new file of a dependency":        add("dep/near/method.go", "package near\n\nfunc (Cents) MarshalText() ([]byte, error) { return nil, nil }\n"),
		"a dependency less":                 func() { require.NoError(t, os.RemoveAll(e.path("dep/near"))) },
		"where a dependency is":             edit("app/go.mod", "=> ../dep", "=> ./../dep/../dep/."),
		"the version of the language":       edit("app/go.mod", "\ngo 1.26.0", "\ngo 1.26"),
		"the generated file":                edit(generated, "EnqueuePay", "EnqueueBuy"),
		"the generated file, by one space":  edit(generated, "package tasks", "package  tasks"),
		"no generated file":                 remove(generated),
		"an empty generated file":           add(generated, ""),
		"a generated file of another name":  add("app/tasks/old_taskgen.go", model.Header+"\n\npackage tasks\n"),
		"a file with our name and not ours": add("app/tasks/mine_taskgen.go", "package tasks\n"),
		"tags":                              func() { e.config.Tags = "never" },
		"patterns":                          func() { e.config.Patterns = []string{"./tasks"} },
		"GOARCH":                            setenv("GOARCH=386"),
		"GOOS":                              setenv("GOOS=plan9"),
		"GOFLAGS":                           setenv("GOFLAGS=-tags=never"),
		"GOEXPERIMENT":                      setenv("GOEXPERIMENT=jsonv2"),
		"CGO_ENABLED":                       setenv("CGO_ENABLED=0"),
		"GODEBUG":                           setenv("GODEBUG=gotypesalias=0"),
		"a workspace": func() {
			e.write("go.work", "go 1.26.0\n\nuse ./app\n")
			e.config.Env = append(e.config.Env, "GOWORK="+e.path("go.work"))
		},
		"a vendor folder": func() {
			cmd := exec.Command("go", "mod", "vendor")
			cmd.Dir, cmd.Env = e.config.Dir, e.config.Env
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		},
		"the program": func() {
			*cache.Program = func() (load.Sum, error) { return load.SumOf([]byte("another"), nil), nil }
		},
		"a link that leads elsewhere": func() {
			e.write("elsewhere.go", "package tasks\n\nconst other = 2\n")
			require.NoError(t, os.Remove(e.path("app/tasks/other.go")))
			require.NoError(t, os.Symlink(e.path("elsewhere.go"), e.path("app/tasks/other.go")))
		},
		"a file that is a folder": func() {
			require.NoError(t, os.Remove(e.path("app/tasks/other.go")))
			require.NoError(t, os.Mkdir(e.path("app/tasks/other.go"), 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			config, program := e.config, *cache.Program
			before := snapshot(t, e.root)
			change()
			run, err := generator.Generate(t.Context(), e.config)
			if err == nil {
				require.False(t, run.Remembered)
			}
			e.config, *cache.Program = config, program
			restore(t, e.root, before)
			again, _ := e.generate()
			require.True(t, again.Remembered, "as it was before")
		})
	}
}

// snapshot returns what the files below a folder hold.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		src, err := os.ReadFile(path)
		found[path] = string(src)
		return err
	}))
	return found
}

// restore makes the files below a folder those of a snapshot, but for the cache.
func restore(t *testing.T, root string, want map[string]string) {
	t.Helper()
	for _, dir := range []string{"app", "dep", "go.work", "elsewhere.go"} {
		require.NoError(t, os.RemoveAll(filepath.Join(root, dir)))
	}
	for path, text := range want {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

func TestWhatNoTaskReachesDoesNotCount(t *testing.T) {
	e := newEnv(t)
	e.settle()
	e.write("dep/far/far.go", "package far\n\nfunc Away() int { return 2 }\n")
	e.write("app/tasks/README.md", "tasks")
	e.config.Env = append(e.config.Env, "GOFILE=tasks.go", "GOLINE=3", "GOPACKAGE=tasks", "PS1=$")
	run, _ := e.generate()
	require.True(t, run.Remembered)
}

func TestARunAfterAnEditIsRemembered(t *testing.T) {
	e := newEnv(t)
	e.settle()
	e.write("app/tasks/tasks.go", strings.Replace(taskFile, "Note ", "Text ", 1))
	require.False(t, e.update().Remembered)
	run, changes := e.generate()
	require.True(t, run.Remembered)
	require.Empty(t, changes)
	e.write("app/tasks/tasks.go", taskFile)
	run, changes = e.generate()
	require.False(t, run.Remembered)
	require.Len(t, changes, 1)
}

func TestARunThatWroteNothingWhereItShouldIsNotRemembered(t *testing.T) {
	e := newEnv(t)
	e.settle()
	e.write("app/tasks/tasks.go", strings.Replace(taskFile, "Note ", "Text ", 1))
	for range 2 {
		run, changes := e.generate()
		require.False(t, run.Remembered)
		require.Len(t, changes, 1)
		run.Remember(nil)
	}
}

func TestARememberedRunSaysWhatTheFirstOneSaid(t *testing.T) {
	e := newEnv(t)
	e.update()
	first := e.update()
	require.False(t, first.Remembered)
	again := e.update()
	require.True(t, again.Remembered)
	require.NotEmpty(t, first.Diagnostics)
	require.Equal(t, first.Diagnostics, again.Diagnostics)
	require.Equal(t, first.Notes, again.Notes)
	require.Len(t, first.Packages, 1)
	require.Equal(t, first.Packages, again.Packages)
	require.Empty(t, again.Files)
}

func TestErrorsAreNotRemembered(t *testing.T) {
	e := newEnv(t)
	e.settle()
	e.write("app/tasks/tasks.go", strings.Replace(taskFile, "queue=work\n//", "que=work\n//", 1)+"\n//taskgen:task que=work\ntype BadTask struct{}\n")
	for range 2 {
		run := e.update()
		require.False(t, run.Remembered)
		require.NotEmpty(t, run.Diagnostics)
	}
}

func TestABrokenEntryIsNone(t *testing.T) {
	e := newEnv(t)
	e.settle()
	entries, err := os.ReadDir(e.config.Cache)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	path := filepath.Join(e.config.Cache, entries[0].Name())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	flipped := bytes.Clone(data)
	flipped[len(flipped)/2] ^= 1
	for name, broken := range map[string][]byte{"empty": {}, "short": data[:10], "cut": data[:len(data)-1], "flipped": flipped, "long": append(bytes.Clone(data), 0)} {
		require.NoError(t, os.WriteFile(path, broken, 0o600))
		run, _ := e.generate()
		require.False(t, run.Remembered, name)
	}
	require.False(t, e.update().Remembered)
	require.True(t, e.update().Remembered)
}

func TestWithoutAPlaceForTheCacheTheGeneratorWorks(t *testing.T) {
	e := newEnv(t)
	e.write("cache", "no folder")
	for range 3 {
		require.False(t, e.update().Remembered)
	}
	e.config.Cache = ""
	require.False(t, e.update().Remembered)
}

func TestRunsSideBySideShareTheCache(t *testing.T) {
	e := newEnv(t)
	e.settle()
	require.NoError(t, os.RemoveAll(e.config.Cache))
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			run, err := generator.Generate(t.Context(), e.config)
			if err == nil {
				run.Remember(nil)
			}
		})
	}
	g.Wait()
	require.True(t, e.update().Remembered)
	entries, err := os.ReadDir(e.config.Cache)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
