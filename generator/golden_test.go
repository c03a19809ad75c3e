package generator_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/taskgen/taskgen/generator"
	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/compat"
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/emit/gosrc"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// Each archive in testdata holds the files of one package, what is to be
// generated for it (want/<file>), what there is to say about it
// (want/diagnostics) and a program that sends tasks through the generated code
// and back (drive/drive.go). -update rewrites what is wanted, and does so only
// when all of it compiles, vets and runs.
var update = flag.Bool("update", false, "rewrite what the archives in testdata want")

const modulePath = "example.com/golden"

// A golden is one archive.
type golden struct {
	name, path string
	tags       string
	archive    *txtar.Archive
	files      []txtar.File      // the package
	want       map[string]string // by name without want/
	got        map[string]string
}

var tagsLine = regexp.MustCompile(`(?m)^tags: (.*)$`)

func readGoldens(t *testing.T, pattern string) []*golden {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var all []*golden
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		require.NoError(t, err)
		g := &golden{
			name: strings.TrimSuffix(filepath.Base(path), ".txtar"), path: path, archive: archive,
			want: make(map[string]string), got: make(map[string]string),
		}
		if m := tagsLine.FindSubmatch(archive.Comment); m != nil {
			g.tags = string(m[1])
		}
		for _, f := range archive.Files {
			if name, ok := strings.CutPrefix(f.Name, "want/"); ok {
				g.want[name] = string(f.Data)
			} else {
				g.files = append(g.files, f)
			}
		}
		all = append(all, g)
	}
	return all
}

// compare compares what is wanted with what was generated.
func (g *golden) compare(t *testing.T) {
	t.Helper()
	names := slices.Collect(maps.Keys(g.got))
	names = append(names, slices.Collect(maps.Keys(g.want))...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		assert.Equal(t, g.want[name], g.got[name], "%s: %s; -update accepts it, once it runs", g.path, name)
	}
}

// rewrite makes what is wanted of what was generated.
func (g *golden) rewrite(t *testing.T) {
	t.Helper()
	files := slices.Clone(g.files)
	for _, name := range slices.Sorted(maps.Keys(g.got)) {
		if g.got[name] != "" {
			files = append(files, txtar.File{Name: "want/" + name, Data: []byte(g.got[name])})
		}
	}
	data := txtar.Format(&txtar.Archive{Comment: g.archive.Comment, Files: files})
	require.NoError(t, os.WriteFile(g.path, data, 0o644))
}

// module makes a module of archives, each in a folder of its name. It can build
// what this module can, offline.
func module(t *testing.T, goldens []*golden) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	mod = bytes.Replace(mod, []byte("module github.com/taskgen/taskgen\n"), []byte("module "+modulePath+"\n"), 1)
	mod = fmt.Appendf(mod, "\nrequire github.com/taskgen/taskgen v0.0.0\n\nreplace github.com/taskgen/taskgen => %s\n", root)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	put(t, filepath.Join(dir, "go.mod"), mod)
	put(t, filepath.Join(dir, "go.sum"), sum)
	for _, g := range goldens {
		for _, f := range g.files {
			put(t, filepath.Join(dir, g.name, filepath.FromSlash(f.Name)), f.Data)
		}
	}
	return dir
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

// env keeps the go command of the tests off the network, and from being told
// by a go.work that happens to be there.
func env() []string {
	return append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=-trimpath -mod=mod")
}

func generate(t *testing.T, dir, tags string, patterns ...string) *generator.Result {
	t.Helper()
	r, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: patterns, Tags: tags, Env: env()})
	require.NoError(t, err)
	for path, src := range r.Files {
		if filepath.Ext(path) != ".go" {
			continue
		}
		set, err := format.Source(src)
		require.NoError(t, err)
		require.Equal(t, string(set), string(src), "%s is not as gofmt would have it", path)
	}
	return r
}

// share gives every archive its part of the result.
func share(t *testing.T, dir string, goldens []*golden, r *generator.Result) {
	t.Helper()
	for _, g := range goldens {
		base := filepath.Join(dir, g.name)
		for path, src := range r.Files {
			if rel, err := filepath.Rel(base, path); err == nil && filepath.IsLocal(rel) {
				g.got[filepath.ToSlash(rel)] = string(src)
			}
		}
		var own []diag.Diagnostic
		for _, d := range r.Diagnostics {
			if strings.HasPrefix(d.Pos.File, base+string(filepath.Separator)) {
				own = append(own, d)
			}
		}
		var b bytes.Buffer
		require.NoError(t, diag.Text(&b, own, base))
		g.got["diagnostics"] = b.String()
	}
}

func TestGeneratedCodeIsAsWantedAndWorks(t *testing.T) {
	goldens := readGoldens(t, "testdata/*.txtar")
	dir := module(t, goldens)
	byTags := make(map[string][]*golden)
	for _, g := range goldens {
		byTags[g.tags] = append(byTags[g.tags], g)
	}
	for _, tags := range slices.Sorted(maps.Keys(byTags)) {
		var patterns []string
		for _, g := range byTags[tags] {
			patterns = append(patterns, "./"+g.name+"/...")
		}
		r := generate(t, dir, tags, patterns...)
		require.False(t, diag.HasErrors(r.Diagnostics), "%v", r.Diagnostics)
		share(t, dir, byTags[tags], r)
		for path, src := range r.Files {
			put(t, path, src)
		}
	}
	driven := drive(t, dir, goldens, strings.Trim(strings.Join(slices.Sorted(maps.Keys(byTags)), ","), ","))
	for _, g := range goldens {
		switch {
		case *update && driven:
			g.rewrite(t)
		case !*update:
			g.compare(t)
		}
	}
}

// drive vets all packages and runs their drivers.
func drive(t *testing.T, dir string, goldens []*golden, tags string) bool {
	t.Helper()
	var imports, cases strings.Builder
	for _, g := range goldens {
		fmt.Fprintf(&imports, "\t%q\n\t%sdrive %q\n", modulePath+"/"+g.name, g.name, modulePath+"/"+g.name+"/drive")
		fmt.Fprintf(&cases, "\trun(%q, %s.Queues(), %sdrive.Drive)\n", g.name, g.name, g.name)
	}
	put(t, filepath.Join(dir, "main.go"), fmt.Appendf(nil, driver, imports.String(), cases.String()))
	ok := true
	for _, args := range [][]string{{"vet", "-tags=" + tags, "./..."}, {"run", "-tags=" + tags, "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, env()
		out, err := cmd.CombinedOutput()
		if !assert.NoError(t, err, "go %s:\n%s", args, out) {
			return false
		}
		if args[0] == "run" {
			for _, g := range goldens {
				ok = assert.Contains(t, string(out), g.name+": works\n") && ok
			}
		}
	}
	return ok
}

const driver = `package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"

%s)

type drive func(ctx context.Context, m *runtime.Manager, r *runtime.Router, drain func() error) error

func main() {
%s}

func run(name string, queues []runtime.QueueConfig, drive drive) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, r := runtime.NewManager(runtime.ManagerConfig{}), runtime.NewRouter()
	err := m.Open(ctx, memory.New(), queues...)
	if err == nil {
		err = drive(ctx, m, r, func() error {
			pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1, Results: memory.NewResults()})
			if err != nil {
				return err
			}
			_, err = pool.Drain(ctx)
			return err
		})
	}
	if err == nil {
		err = left(ctx, m)
	}
	if err != nil {
		fmt.Printf("%%s: %%v\n", name, err)
		os.Exit(1)
	}
	fmt.Printf("%%s: works\n", name)
}

// left says what was not handled.
func left(ctx context.Context, m *runtime.Manager) error {
	for _, name := range m.Queues() {
		q, err := m.Queue(name)
		if err != nil {
			return err
		}
		s, err := q.Stats(ctx)
		if err != nil {
			return err
		}
		if s.Ready+s.Scheduled+s.Leased+s.Dead != 0 {
			return fmt.Errorf("queue %%s has tasks left: %%+v", name, s)
		}
	}
	return nil
}
`

func TestWrongPackagesAreReportedAndGiveNoFiles(t *testing.T) {
	goldens := readGoldens(t, "testdata/errors/*.txtar")
	dir := module(t, goldens)
	r := generate(t, dir, "", "./...")
	assert.True(t, diag.HasErrors(r.Diagnostics))
	assert.Empty(t, r.Files, "not for the packages without errors either")
	share(t, dir, goldens, r)
	for _, g := range goldens {
		if *update {
			g.rewrite(t)
		} else {
			assert.NotEmpty(t, g.got["diagnostics"])
			g.compare(t)
		}
	}
}

func TestTheNumberOfProcessorsChangesNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, pattern := range []string{"testdata/*.txtar", "testdata/errors/*.txtar"} {
		goldens := slices.DeleteFunc(readGoldens(t, pattern), func(g *golden) bool { return g.tags != "" })
		dir := module(t, goldens)
		runtime.GOMAXPROCS(1)
		one := generate(t, dir, "", "./...")
		runtime.GOMAXPROCS(7)
		assert.Equal(t, one, generate(t, dir, "", "./..."))
	}
}

func TestTheSamePackagesGiveTheSameBytes(t *testing.T) {
	goldens := slices.DeleteFunc(readGoldens(t, "testdata/*.txtar"), func(g *golden) bool { return g.tags != "" })
	dir := module(t, goldens)
	patterns := make([]string, len(goldens))
	for i, g := range goldens {
		patterns[i] = "./" + g.name
	}
	first := generate(t, dir, "", patterns...)
	for range 3 {
		rand.Shuffle(len(patterns), func(i, j int) { patterns[i], patterns[j] = patterns[j], patterns[i] })
		assert.Equal(t, first, generate(t, dir, "", patterns...))
	}
	listing, err := load.Find(t.Context(), load.Query{Dir: dir, Patterns: patterns, Env: env()})
	require.NoError(t, err)
	loaded, err := check.Run(t.Context(), listing)
	require.NoError(t, err)
	_, err = compat.Run(loaded.Packages, nil, compat.Query{Trace: new(load.Trace)})
	require.NoError(t, err)
	for i := range loaded.Packages {
		pkg := &loaded.Packages[i]
		want := first.Files[filepath.Join(pkg.Dir, model.FileName(pkg.Name))]
		for range 3 {
			rand.Shuffle(len(pkg.Scope), func(i, j int) { pkg.Scope[i], pkg.Scope[j] = pkg.Scope[j], pkg.Scope[i] })
			assert.Equal(t, string(want), string(gosrc.File(pkg)))
		}
	}
}
