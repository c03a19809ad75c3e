package cache

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
	"github.com/taskgen/taskgen/generator/load"
	"github.com/taskgen/taskgen/generator/model"
	"github.com/taskgen/taskgen/generator/output"
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

// A world is a module with a package of tasks and a module that it depends on, and
// a cache.
type world struct {
	t      *testing.T
	root   string
	cache  *Cache
	config generator.Config
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root := t.TempDir()
	w := &world{t: t, root: root, cache: New(filepath.Join(root, "cache"))}
	for name, text := range files {
		w.write(name, text)
	}
	repo, err := filepath.Abs("../..")
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(repo, "go.mod"))
	require.NoError(t, err)
	sum, err := os.ReadFile(filepath.Join(repo, "go.sum"))
	require.NoError(t, err)
	_, mod, _ = bytes.Cut(mod, []byte("\n"))
	w.write("app/go.mod", fmt.Sprintf("module example.com/app\n%s\nrequire (\n\tgithub.com/taskgen/taskgen v0.0.0\n\texample.com/dep v0.0.0\n)\n\nreplace (\n\tgithub.com/taskgen/taskgen => %s\n\texample.com/dep => ../dep\n)\n", mod, repo))
	w.write("app/go.sum", string(sum))
	w.config = generator.Config{
		Dir: filepath.Join(root, "app"), Patterns: []string{"./..."},
		Env: append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOPROXY=off", "GOTOOLCHAIN=local"),
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.root, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	require.NoError(w.t, os.MkdirAll(filepath.Dir(w.path(name)), 0o755))
	require.NoError(w.t, os.WriteFile(w.path(name), []byte(text), 0o644))
}

func (w *world) read(name string) string {
	w.t.Helper()
	src, err := os.ReadFile(w.path(name))
	require.NoError(w.t, err)
	return string(src)
}

// generate runs the generator, and says what is to be written.
func (w *world) generate() (*Run, []output.Change) {
	w.t.Helper()
	run, err := w.cache.Generate(w.t.Context(), w.config)
	require.NoError(w.t, err)
	changes, err := output.Changes(run.Result.Files, model.Header)
	require.NoError(w.t, err)
	return run, changes
}

// update is what a command does that writes.
func (w *world) update() *Run {
	w.t.Helper()
	run, changes := w.generate()
	require.NoError(w.t, output.Write(changes))
	run.Remember(changes)
	return run
}

// settle brings the world into a state that is remembered.
func (w *world) settle() {
	w.t.Helper()
	w.update()
	w.update()
	require.True(w.t, w.update().Remembered)
}

const generated = "app/tasks/tasks_taskgen.go"

func TestEveryInputCountsByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("it generates dozens of times")
	}
	w := newWorld(t)
	w.settle()
	edit := func(name, from, to string) func() {
		return func() {
			text := w.read(name)
			require.Contains(t, text, from)
			w.write(name, strings.Replace(text, from, to, 1))
		}
	}
	remove := func(name string) func() { return func() { require.NoError(t, os.Remove(w.path(name))) } }
	add := func(name, text string) func() { return func() { w.write(name, text) } }
	env := func(kv string) func() { return func() { w.config.Env = append(w.config.Env, kv) } }
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
		"a dependency less":                 func() { require.NoError(t, os.RemoveAll(w.path("dep/near"))) },
		"where a dependency is":             edit("app/go.mod", "=> ../dep", "=> ./../dep/../dep/."),
		"the version of the language":       edit("app/go.mod", "\ngo 1.26.0", "\ngo 1.26"),
		"the generated file":                edit(generated, "EnqueuePay", "EnqueueBuy"),
		"the generated file, by one space":  edit(generated, "package tasks", "package  tasks"),
		"no generated file":                 remove(generated),
		"an empty generated file":           add(generated, ""),
		"a generated file of another name":  add("app/tasks/old_taskgen.go", model.Header+"\n\npackage tasks\n"),
		"a file with our name and not ours": add("app/tasks/mine_taskgen.go", "package tasks\n"),
		"tags":                              func() { w.config.Tags = "never" },
		"patterns":                          func() { w.config.Patterns = []string{"./tasks"} },
		"GOARCH":                            env("GOARCH=386"),
		"GOOS":                              env("GOOS=plan9"),
		"GOFLAGS":                           env("GOFLAGS=-tags=never"),
		"GOEXPERIMENT":                      env("GOEXPERIMENT=jsonv2"),
		"CGO_ENABLED":                       env("CGO_ENABLED=0"),
		"GODEBUG":                           env("GODEBUG=gotypesalias=0"),
		"a workspace": func() {
			w.write("go.work", "go 1.26.0\n\nuse ./app\n")
			w.config.Env = append(w.config.Env, "GOWORK="+w.path("go.work"))
		},
		"a vendor folder": func() {
			cmd := exec.Command("go", "mod", "vendor")
			cmd.Dir, cmd.Env = w.config.Dir, w.config.Env
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		},
		"the program": func() {
			w.cache.program = func() (load.Sum, error) { return load.SumOf([]byte("another"), nil), nil }
		},
		"a link that leads elsewhere": func() {
			w.write("elsewhere.go", "package tasks\n\nconst other = 2\n")
			require.NoError(t, os.Remove(w.path("app/tasks/other.go")))
			require.NoError(t, os.Symlink(w.path("elsewhere.go"), w.path("app/tasks/other.go")))
		},
		"a file that is a folder": func() {
			require.NoError(t, os.Remove(w.path("app/tasks/other.go")))
			require.NoError(t, os.Mkdir(w.path("app/tasks/other.go"), 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			config, program := w.config, w.cache.program
			before := snapshot(t, w.root)
			change()
			run, err := w.cache.Generate(t.Context(), w.config)
			if err == nil {
				require.False(t, run.Remembered)
			}
			w.config, w.cache.program = config, program
			restore(t, w.root, before)
			again, _ := w.generate()
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
	w := newWorld(t)
	w.settle()
	w.write("dep/far/far.go", "package far\n\nfunc Away() int { return 2 }\n")
	w.write("app/tasks/README.md", "tasks")
	w.config.Env = append(w.config.Env, "GOFILE=tasks.go", "GOLINE=3", "GOPACKAGE=tasks", "PS1=$")
	run, _ := w.generate()
	require.True(t, run.Remembered)
}

func TestARunAfterAnEditIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.settle()
	w.write("app/tasks/tasks.go", strings.Replace(taskFile, "Note ", "Text ", 1))
	require.False(t, w.update().Remembered)
	run, changes := w.generate()
	require.True(t, run.Remembered)
	require.Empty(t, changes)
	w.write("app/tasks/tasks.go", taskFile)
	run, changes = w.generate()
	require.False(t, run.Remembered)
	require.Len(t, changes, 1)
}

func TestARunThatWroteNothingWhereItShouldIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	w.settle()
	w.write("app/tasks/tasks.go", strings.Replace(taskFile, "Note ", "Text ", 1))
	for range 2 {
		run, changes := w.generate()
		require.False(t, run.Remembered)
		require.Len(t, changes, 1)
		run.Remember(nil)
	}
}

func TestARememberedRunSaysWhatTheFirstOneSaid(t *testing.T) {
	w := newWorld(t)
	w.update()
	first := w.update()
	require.False(t, first.Remembered)
	again := w.update()
	require.True(t, again.Remembered)
	require.NotEmpty(t, first.Result.Diagnostics)
	require.Equal(t, first.Result.Diagnostics, again.Result.Diagnostics)
	require.Equal(t, first.Result.Notes, again.Result.Notes)
	require.Equal(t, []int{1, 1}, []int{again.Packages, again.Tasks})
}

func TestErrorsAreNotRemembered(t *testing.T) {
	w := newWorld(t)
	w.settle()
	w.write("app/tasks/tasks.go", strings.Replace(taskFile, "queue=work\n//", "que=work\n//", 1)+"\n//taskgen:task que=work\ntype BadTask struct{}\n")
	for range 2 {
		run := w.update()
		require.False(t, run.Remembered)
		require.NotEmpty(t, run.Result.Diagnostics)
	}
}

func TestABrokenEntryIsNone(t *testing.T) {
	w := newWorld(t)
	w.settle()
	entries, err := os.ReadDir(w.cache.dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	path := filepath.Join(w.cache.dir, entries[0].Name())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	flipped := bytes.Clone(data)
	flipped[len(flipped)/2] ^= 1
	for name, broken := range map[string][]byte{"empty": {}, "short": data[:10], "cut": data[:len(data)-1], "flipped": flipped, "long": append(bytes.Clone(data), 0)} {
		require.NoError(t, os.WriteFile(path, broken, 0o600))
		run, _ := w.generate()
		require.False(t, run.Remembered, name)
	}
	require.False(t, w.update().Remembered)
	require.True(t, w.update().Remembered)
}

func TestWithoutAPlaceForTheCacheTheGeneratorWorks(t *testing.T) {
	w := newWorld(t)
	w.write("cache", "no folder")
	for range 3 {
		require.False(t, w.update().Remembered)
	}
	w.cache = nil
	require.False(t, w.update().Remembered)
}

func TestTheEnvironmentNamesTheCache(t *testing.T) {
	t.Setenv(Variable, "off")
	require.Nil(t, Open())
	t.Setenv(Variable, "relative")
	require.Nil(t, Open())
	dir := t.TempDir()
	t.Setenv(Variable, dir)
	require.Equal(t, dir, Open().dir)
	t.Setenv(Variable, "")
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("HOME", dir)
	require.True(t, strings.HasPrefix(Open().dir, dir))
}

func TestRunsSideBySideShareTheCache(t *testing.T) {
	w := newWorld(t)
	w.settle()
	require.NoError(t, os.RemoveAll(w.cache.dir))
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			run, err := w.cache.Generate(t.Context(), w.config)
			if err == nil {
				run.Remember(nil)
			}
		})
	}
	g.Wait()
	require.True(t, w.update().Remembered)
	entries, err := os.ReadDir(w.cache.dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestTheEntriesUsedLastAreKept(t *testing.T) {
	c := New(t.TempDir())
	for i := range most + 3 {
		c.write(fmt.Sprint(i), []byte("entry"))
	}
	entries, err := os.ReadDir(c.dir)
	require.NoError(t, err)
	require.Len(t, entries, most)
	require.Equal(t, []byte("entry"), c.read(fmt.Sprint(most+2)))
}
