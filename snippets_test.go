package taskgen_test

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A block is one fenced block of a Markdown file.
type block struct {
	file string // of the Markdown
	line int    // of the opening fence
	lang string
	name string // the word behind the language: a file name
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

func blocks(t *testing.T, file string) []block {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var (
		all  []block
		open *block
		line int
		text strings.Builder
	)
	for in := bufio.NewScanner(f); in.Scan(); {
		line++
		switch s := in.Text(); {
		case open == nil && strings.HasPrefix(s, "```"):
			lang, name, _ := strings.Cut(strings.TrimPrefix(s, "```"), " ")
			open = &block{file: file, line: line, lang: lang, name: strings.TrimSpace(name)}
			text.Reset()
		case open != nil && strings.HasPrefix(s, "```"):
			open.text = text.String()
			all = append(all, *open)
			open = nil
		case open != nil:
			text.WriteString(s + "\n")
		}
	}
	require.Nil(t, open, "%s: a block is not closed", file)
	return all
}

func documents(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md", "CONTRIBUTING.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md", "runtime/*/README.md"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		all = append(all, files...)
	}
	return all
}

// TestSnippetsCompile builds every Go block of the READMEs and the docs against
// this tree. A block is a file: where its name is given (```go tasks/tasks.go),
// the named blocks of one document make up one program; a nameless one stands
// alone. Annotated structs are generated from first.
func TestSnippetsCompile(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles every page")
	}
	taskgen := buildTaskgen(t)
	for _, doc := range documents(t) {
		var named []block
		for _, b := range blocks(t, doc) {
			switch {
			case b.lang == "go" && b.name == "":
				t.Run(b.String(), func(t *testing.T) { compile(t, taskgen, []block{{name: "snippet.go", text: b.text}}) })
			case b.lang == "go":
				named = append(named, b)
			}
		}
		if named != nil {
			t.Run(doc, func(t *testing.T) { compile(t, taskgen, named) })
		}
	}
}

func buildTaskgen(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "taskgen")
	run(t, ".", nil, "go", "build", "-o", exe, "./cmd/taskgen")
	return exe
}

func compile(t *testing.T, taskgen string, files []block) {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	write(t, filepath.Join(dir, "go.mod"), fmt.Sprintf("module example.com/hello\n\ngo 1.26\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, root))
	for _, f := range files {
		write(t, filepath.Join(dir, f.name), f.text)
	}
	env := []string{"GOWORK=off", "GOFLAGS=-trimpath -mod=mod -buildvcs=false"}
	if slices.ContainsFunc(files, func(f block) bool { return strings.Contains(f.text, "\n//taskgen:task") }) {
		run(t, dir, env, taskgen, "./...")
	}
	run(t, dir, env, "go", "vet", "./...")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s:\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// maxDownload is how much a first program may have to download, in bytes of source.
const maxDownload = 60 << 20

// TestQuickStartWorksAsPrinted follows the README's quick start to the letter:
// it writes the files shown, runs the commands shown in the order shown, and
// compares what the program prints. This tree is the clone, and in the other way that
// the README names it is the release: a module proxy on disk serves it.
func TestQuickStartWorksAsPrinted(t *testing.T) {
	if testing.Short() {
		t.Skip("it downloads what a new program needs")
	}
	const edits = `(?m)(^go mod edit .*\n)+`
	const get = "go get -tool github.com/taskgen/taskgen/cmd/taskgen@latest"
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, string(text), get)
	for name, begin := range map[string]func(command string) string{
		"beside a clone": func(command string) string { return command },
		"with a release": func(command string) string {
			return regexp.MustCompile(edits).ReplaceAllString(command, get+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			root, err := filepath.Abs(".")
			require.NoError(t, err)
			require.NoError(t, os.Symlink(root, filepath.Join(dir, "taskgen")))
			env, modcache := serveModule(t, "v0.1.0")
			env = append(env, "GOWORK=off", "GOFLAGS=-trimpath -buildvcs=false -modcacherw")
			var shown, printed string
			for _, b := range quickStart(t) {
				switch b.lang {
				case "sh":
					printed = run(t, dir, env, "sh", "-ec", begin(b.text))
					if strings.Contains(b.text, "mkdir hello") {
						dir = filepath.Join(dir, "hello")
					}
				case "go":
					write(t, filepath.Join(dir, b.name), b.text)
				case "text":
					shown = b.text
				}
			}
			require.NotEmpty(t, shown, "the quick start shows what its program prints")
			require.Contains(t, alike(printed), alike(shown))
			size := sizeOfModules(t, modcache)
			t.Logf("%d MB of modules", size>>20)
			require.Less(t, size, int64(maxDownload), "go mod tidy reads the tests of what a program imports: keep those that need other modules elsewhere")
		})
	}
}

// sizeOfModules is the size of the source of all modules in a module cache but ours.
func sizeOfModules(t *testing.T, modcache string) (size int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(modcache, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		if path == filepath.Join(modcache, "cache") || strings.HasPrefix(path, filepath.Join(modcache, module)+"@") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			size += info.Size()
		}
		return nil
	}))
	require.NotZero(t, size)
	return size
}

// alike gives what differs from run to run one form: the times of log lines, the
// name of the worker, durations.
func alike(text string) string {
	text = regexp.MustCompile(`(?m)^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `).ReplaceAllString(text, "TIME ")
	return regexp.MustCompile(`\b(worker|duration)=\S+`).ReplaceAllString(text, "$1=…")
}

func quickStart(t *testing.T) []block {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	heads := regexp.MustCompile(`(?m)^## `).FindAllIndex(text, -1)
	first, last := 0, len(text)
	for i, h := range heads {
		if strings.HasPrefix(string(text[h[0]:]), "## Quick start") {
			first = strings.Count(string(text[:h[0]]), "\n") + 1
			if i+1 < len(heads) {
				last = strings.Count(string(text[:heads[i+1][0]]), "\n") + 1
			}
		}
	}
	require.NotZero(t, first, "README.md has no section \"Quick start\"")
	return slices.DeleteFunc(blocks(t, "README.md"), func(b block) bool { return b.line < first || b.line > last })
}

// serveModule lays this tree out as a file module proxy, in front of the one
// the machine uses, and returns the environment that makes go use it, and the folder
// of the modules that go gets.
func serveModule(t *testing.T, version string) (env []string, modcache string) {
	t.Helper()
	proxy := t.TempDir()
	at := filepath.Join(proxy, module, "@v")
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	write(t, filepath.Join(at, "list"), version+"\n")
	write(t, filepath.Join(at, version+".info"), fmt.Sprintf(`{"Version":%q,"Time":"2026-01-02T03:04:05Z"}`, version))
	write(t, filepath.Join(at, version+".mod"), string(mod))

	out, err := os.Create(filepath.Join(at, version+".zip"))
	require.NoError(t, err)
	z := zip.NewWriter(out)
	files := strings.Fields(run(t, ".", nil, "git", "ls-files", "--cached", "--others", "--exclude-standard"))
	var modules []string // folders that are modules of their own
	for _, file := range files {
		if path.Base(file) == "go.mod" && file != "go.mod" {
			modules = append(modules, path.Dir(file)+"/")
		}
	}
	for _, file := range files {
		if slices.ContainsFunc(modules, func(m string) bool { return strings.HasPrefix(file, m) }) || file == "go.work" || file == "go.work.sum" {
			continue
		}
		data, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // deleted and not committed
		}
		require.NoError(t, err)
		w, err := z.Create(module + "@" + version + "/" + file)
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.NoError(t, out.Close())

	upstream := strings.TrimSpace(run(t, ".", nil, "go", "env", "GOPROXY"))
	modcache = filepath.Join(t.TempDir(), "mod")
	shared := strings.TrimSpace(run(t, ".", nil, "go", "env", "GOMODCACHE"))
	return []string{
		"GOPROXY=file://" + proxy + ",file://" + filepath.Join(shared, "cache", "download") + "," + upstream,
		"GOMODCACHE=" + modcache, // so that the version made here stays out of the machine's own cache
		"GONOSUMDB=" + module,
	}, modcache
}
