package generator

import (
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/emit/gosrc"
)

// many is a package with so many tasks that its file is made in parts.
func many(t *testing.T, other string) Config {
	t.Helper()
	var b strings.Builder
	b.WriteString("//taskgen:defaults queue=q timeout=1m\n//taskgen:retry none\n//taskgen:queue name=q\npackage app\n\nimport \"time\"\n")
	for i := range 150 {
		fmt.Fprintf(&b, "\n// J%[1]dTask is number %[1]d.\n//\n//taskgen:task\n//taskgen:unique by=Key\ntype J%[1]dTask struct {\n\tKey string `task:\"required\"`\n\tAt time.Time\n\tPassword string `task:\"secret\"`\n}\n", i)
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	_, requires, _ := strings.Cut(string(mod), "\n")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"tasks.go": b.String(), "other.go": other, "go.sum": string(sum),
		"go.mod": "module example.com/app\n" + requires + "\nrequire github.com/taskgen/taskgen v0.0.0\n\nreplace github.com/taskgen/taskgen => " + root + "\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return Config{Dir: dir, Env: append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOPROXY=off")}
}

func TestAFileThatIsMadeInPartsIsTheFile(t *testing.T) {
	cfg := many(t, "package app\n")
	loaded, err := Load(t.Context(), cfg)
	require.NoError(t, err)
	pkg := &loaded.Packages[0]
	require.Greater(t, len(slices.Collect(gosrc.Parts(pkg))), 3)
	want := gosrc.File(pkg)
	set, err := format.Source(want)
	require.NoError(t, err)
	require.Equal(t, string(set), string(want), "gofmt would have it otherwise")
	path := filepath.Join(cfg.Dir, "app_taskgen.go")
	got, compiles, err := source(t.Context(), loaded.programs[pkg.Path], pkg, path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	require.True(t, compiles)
	require.NoError(t, loaded.CheckOutput(t.Context(), pkg.Path, path, got))
}

func TestWhatIsWrongInOnePartIsFound(t *testing.T) {
	loaded, err := Load(t.Context(), many(t, "package app\n"))
	require.NoError(t, err)
	pkg := &loaded.Packages[0]
	_, parts, err := parse(loaded.programs[pkg.Path], pkg, "app_taskgen.go")
	require.NoError(t, err)
	for name, wrong := range map[string]string{
		"the same name as in another part": "const TypeJ3 = \"\"",
		"a name that nothing mentions":     "func EnqueueJ3() {}",
		"the same method":                  "func (t J7Task) String() string { return \"\" }",
		"a body":                           "func init() { _ = J3Spec.Nothing }",
		"a call":                           "func init() { RegisterJ3(nil) }",
		"an unknown name":                  "var _ = RegisterJ999",
	} {
		t.Run(name, func(t *testing.T) {
			more, err := loaded.programs[pkg.Path].ParsePart("app_taskgen.go", []byte("package app\n\n"+wrong+"\n"))
			require.NoError(t, err)
			compiles, err := loaded.programs[pkg.Path].Compiles(t.Context(), pkg.Path, append(slices.Clone(parts), more))
			require.NoError(t, err)
			require.False(t, compiles)
		})
	}
}
