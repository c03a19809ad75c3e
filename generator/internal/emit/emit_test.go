package emit

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/scanner"
	"go/token"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/emit/gosrc"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/shape"
)

// withFiles is a module with these files that can build what this module can, offline.
func withFiles(t *testing.T, files map[string]string) load.Query {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	_, requires, _ := strings.Cut(string(mod), "\n")
	files = maps.Clone(files)
	files["go.sum"] = string(sum)
	files["go.mod"] = "module example.com/app\n" + requires + "\nrequire github.com/taskgen/taskgen v0.0.0\n\nreplace github.com/taskgen/taskgen => " + root + "\n"
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return load.Query{Dir: dir, Env: append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOPROXY=off")}
}

// many is a package with so many tasks that its file is made in parts.
func many(t *testing.T, other string) load.Query {
	t.Helper()
	var b strings.Builder
	b.WriteString("//taskgen:defaults queue=q timeout=1m\n//taskgen:retry none\n//taskgen:queue name=q\npackage app\n\nimport \"time\"\n")
	for i := range 150 {
		fmt.Fprintf(&b, "\n// J%[1]dTask is number %[1]d.\n//\n//taskgen:task\n//taskgen:unique by=Key\ntype J%[1]dTask struct {\n\tKey string `task:\"required\"`\n\tAt time.Time\n\tPassword string `task:\"secret\"`\n}\n", i)
	}
	return withFiles(t, map[string]string{"tasks.go": b.String(), "other.go": other})
}

func TestAFileThatIsMadeInPartsIsTheFile(t *testing.T) {
	cfg := many(t, "package app\n")
	listing, err := load.Find(t.Context(), cfg)
	require.NoError(t, err)
	loaded, err := check.Run(t.Context(), listing)
	require.NoError(t, err)
	pkg := &loaded.Packages[0]
	require.Greater(t, len(gosrc.Parts(pkg)), 3)
	want := gosrc.File(pkg)
	set, err := format.Source(want)
	require.NoError(t, err)
	require.Equal(t, string(set), string(want), "gofmt would have it otherwise")
	path := filepath.Join(cfg.Dir, "app_taskgen.go")
	got, compiles, err := source(t.Context(), loaded.Programs[pkg.Path], pkg, path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	require.True(t, compiles)
	require.NoError(t, loaded.Programs[pkg.Path].CheckOutput(t.Context(), pkg.Path, path, got))
}

// A task has more constants than there are letters for its names.
func TestATaskMayHaveManySchedules(t *testing.T) {
	var b strings.Builder
	b.WriteString("//taskgen:defaults queue=q timeout=1m\n//taskgen:retry none\n//taskgen:queue name=q\npackage app\n\n//taskgen:task\n")
	for i := range 40 {
		fmt.Fprintf(&b, "//taskgen:schedule cron=@hourly name=at-%d payload={\"minute\":%d}\n", i, i)
	}
	b.WriteString("type TickTask struct {\n\tMinute int `json:\"minute\"`\n}\n")
	cfg := withFiles(t, map[string]string{"tasks.go": b.String()})
	listing, err := load.Find(t.Context(), cfg)
	require.NoError(t, err)
	loaded, err := check.Run(t.Context(), listing)
	require.NoError(t, err)
	require.Empty(t, loaded.Diagnostics)
	pkg := &loaded.Packages[0]
	require.Len(t, pkg.Tasks[0].Schedules, 40)
	path := filepath.Join(cfg.Dir, "app_taskgen.go")
	src, compiles, err := source(t.Context(), loaded.Programs[pkg.Path], pkg, path)
	require.NoError(t, err)
	require.True(t, compiles)
	require.Contains(t, string(src), "const TickAt39JobID schedule.JobID = \"schedule#tick#at-39\"\n")
	require.NoError(t, loaded.Programs[pkg.Path].CheckOutput(t.Context(), pkg.Path, path, src))

	pkg.Tasks[0].Schedules[38].Name = "at-37"
	_, compiles, err = source(t.Context(), loaded.Programs[pkg.Path], pkg, path)
	require.NoError(t, err)
	require.False(t, compiles, "one constant is there twice")
}

func TestWhatIsWrongInOnePartIsFound(t *testing.T) {
	listing, err := load.Find(t.Context(), many(t, "package app\n"))
	require.NoError(t, err)
	loaded, err := check.Run(t.Context(), listing)
	require.NoError(t, err)
	pkg := &loaded.Packages[0]
	prog := loaded.Programs[pkg.Path]
	var parts []*ast.File
	for _, part := range gosrc.Parts(pkg) {
		names := make(map[string]bool)
		for name := range part.Imports() {
			names[name] = true
		}
		var texts [][]byte
		for _, d := range part.Declarations() {
			texts = append(texts, d.Text)
		}
		file, err := prog.ParsePart("app_taskgen.go", gosrc.Excerpt([]gosrc.Part{part}, names, texts...))
		require.NoError(t, err)
		parts = append(parts, file)
	}
	compiles, err := prog.Compiles(t.Context(), pkg.Path, parts)
	require.NoError(t, err)
	require.True(t, compiles)
	for name, wrong := range map[string]string{
		"the same name as in another part": "const TypeJ3 = \"\"",
		"a name that nothing mentions":     "func EnqueueJ3() {}",
		"the same method":                  "func (t J7Task) String() string { return \"\" }",
		"a body":                           "func init() { _ = J3Spec.Nothing }",
		"a call":                           "func init() { RegisterJ3(nil) }",
		"an unknown name":                  "var _ = RegisterJ999",
	} {
		t.Run(name, func(t *testing.T) {
			more, err := prog.ParsePart("app_taskgen.go", []byte("package app\n\n"+wrong+"\n"))
			require.NoError(t, err)
			compiles, err := prog.Compiles(t.Context(), pkg.Path, append(slices.Clone(parts), more))
			require.NoError(t, err)
			require.False(t, compiles)
		})
	}
}

// goldens loads the packages of testdata, and more.
func goldens(t *testing.T) *check.Result {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/*.txtar")
	require.NoError(t, err)
	files := map[string]string{"alike/tasks.go": alike}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		require.NoError(t, err)
		for _, f := range archive.Files {
			if !strings.HasPrefix(f.Name, "want/") && !strings.HasPrefix(f.Name, "drive/") {
				name := strings.TrimSuffix(filepath.Base(path), ".txtar") + "/" + f.Name
				files[name] = strings.ReplaceAll(string(f.Data), "example.com/golden/", "example.com/app/")
			}
		}
	}
	cfg := withFiles(t, files)
	cfg.Patterns = []string{"./..."}
	listing, err := load.Find(t.Context(), cfg)
	require.NoError(t, err)
	loaded, err := check.Run(t.Context(), listing)
	require.NoError(t, err)
	return loaded
}

// alike is a package whose tasks have much in common.
const alike = `// Package alike has tasks that are alike, and some that nearly are.
//
//taskgen:defaults queue=q timeout=1m
//taskgen:retry max=2 backoff=constant base=1s
//taskgen:queue name=q
package alike

import "time"

type base struct{ Tenant string }

type Receipt struct{ ID string }

//taskgen:task
//taskgen:unique by=Key,Tenant
type OneTask struct {
	base
	Key string ` + "`json:\"key\" task:\"required\"`" + `
	At time.Time
	Password string ` + "`task:\"secret\"`" + `
}

//taskgen:task
//taskgen:unique by=Key,Tenant
type TwoTask struct {
	base
	Key string ` + "`json:\"key\" task:\"required\"`" + `
	At time.Time
	Password string ` + "`task:\"secret\"`" + `
}

//taskgen:task
//taskgen:unique by=Key
type ThreeTask struct {
	Key int ` + "`json:\"key\" task:\"required\"`" + `
	At time.Time
}

//taskgen:task result=Receipt
//taskgen:unique by=Key
type FourTask struct {
	Key int ` + "`json:\"key\" task:\"required\"`" + `
	At time.Time
}

//taskgen:task result=Receipt
//taskgen:unique by=Key
type FiveTask struct {
	Key time.Time ` + "`json:\"key\" task:\"required\"`" + `
	Other *Receipt ` + "`json:\"other\" task:\"required\"`" + `
}

//taskgen:task
//taskgen:schedule cron="0 4 * * *"
type SixTask struct{}

//taskgen:task
//taskgen:schedule cron="0 5 * * *"
type SevenTask struct{}

//taskgen:task
type eightTask struct{ Key int }

//taskgen:task
type nineTask struct{ Key int }

//taskgen:task
type twelveTask struct{ Key []int }

//taskgen:task
type TenTask struct{ Password string ` + "`task:\"secret\"`" + ` }

func (TenTask) String() string { return "ten" }

//taskgen:task
type ElevenTask struct{ Password string ` + "`task:\"secret\"`" + ` }
`

// What is generated is known to compile by its shapes: the check of all of it, which
// takes longer, is for what is wrong.
func TestAllIsKnownToCompileByItsShapes(t *testing.T) {
	loaded := goldens(t)
	require.Greater(t, len(loaded.Packages), 10)
	for i := range loaded.Packages {
		pkg := &loaded.Packages[i]
		_, compiles, err := source(t.Context(), loaded.Programs[pkg.Path], pkg, "x_taskgen.go")
		require.NoError(t, err)
		// There are no constants without a type to be had where string is another type.
		assert.Equal(t, !slices.Contains(pkg.Scope, "string"), compiles, pkg.Path)
	}
}

// What compiles for one struct is not known to compile for all.
func TestTheFrameOfOneStructDoesNotVouchForAnother(t *testing.T) {
	loaded := goldens(t)
	pkg := &loaded.Packages[slices.IndexFunc(loaded.Packages, func(p model.Package) bool { return p.Name == "alike" })]
	prog := loaded.Programs[pkg.Path]
	parts := gosrc.Parts(pkg)
	for _, names := range [][]string{{"eight", "nine"}, {"eight", "twelve"}} { // twelve cannot be compared
		all := make([][]gosrc.Declaration, len(parts))
		for i := range parts {
			all[i] = parts[i].Declarations()
			for j := range all[i] {
				text := string(all[i][j].Text)
				if strings.Contains(text, "var eightSpec") { // so that eight is checked as it is
					text = strings.Replace(text, `"q"`, `func() string { _ = eightHandlerFunc(nil); return "q" }()`, 1)
				}
				for _, name := range names {
					if strings.Contains(text, "func (f "+name+"HandlerFunc)") {
						text = strings.Replace(text, "{\n", "{\n\t_ = task == task\n", 1)
					}
				}
				all[i][j].Text = []byte(text)
			}
		}
		require.Equal(t, names[1] == "nine", compilesWhole(t, prog, pkg, parts, all))
		known, told := compilesByShape(t, prog, pkg, parts, all)
		require.True(t, told)
		require.False(t, known, "what compares cannot be known by its shape")
	}
}

// The seed of TestShapesMissNothingThatIsWrong. 0: another one each time.
var (
	shapesSeed  = flag.Uint64("shapes.seed", 0, "the seed of the wrong declarations")
	shapesCount = flag.Int("shapes", 300, "how many wrong declarations there are")
)

// A generated file is spoilt at one place, by all that an error in the generator could
// do. Where it does not compile any more, its shapes must not say that it does.
func TestShapesMissNothingThatIsWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles hundreds of structs")
	}
	seed := *shapesSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./generator/internal/emit -run %s -shapes %d -shapes.seed %d", t.Name(), *shapesCount, seed)
	r := rand.New(rand.NewPCG(seed, 0))
	loaded := goldens(t)
	wrong, told := 0, 0
	for n := range *shapesCount {
		pkg := &loaded.Packages[r.IntN(len(loaded.Packages))]
		if i := slices.IndexFunc(loaded.Packages, func(p model.Package) bool { return p.Name == "alike" }); n%2 == 0 {
			pkg = &loaded.Packages[i]
		}
		prog := loaded.Programs[pkg.Path]
		parts := gosrc.Parts(pkg)
		p := r.IntN(len(parts))
		spoilt := make([][]gosrc.Declaration, len(parts))
		for i := range parts {
			spoilt[i] = parts[i].Declarations()
		}
		if len(spoilt[p]) == 0 {
			continue
		}
		d := &spoilt[p][r.IntN(len(spoilt[p]))]
		text, how := spoil(r, d.Text, spoilt[p])
		if text == nil || bytes.Equal(text, d.Text) {
			continue
		}
		was := d.Text
		d.Text = text
		compiles := compilesWhole(t, prog, pkg, parts, spoilt)
		known, ok := compilesByShape(t, prog, pkg, parts, spoilt)
		if !compiles {
			wrong++
		}
		if ok {
			told++
		}
		if known && !compiles {
			t.Errorf("%s in %s is missed:\n%s\nwas\n%s", how, pkg.Path, text, was)
		}
	}
	t.Logf("%d of %d were wrong, %d decided", wrong, *shapesCount, told)
	require.Greater(t, wrong, *shapesCount/4)
	require.Greater(t, told, *shapesCount/4)
}

// compilesWhole says whether the whole file compiles.
func compilesWhole(t *testing.T, prog *load.Program, pkg *model.Package, parts []gosrc.Part, all [][]gosrc.Declaration) bool {
	t.Helper()
	names := make(map[string]bool)
	var texts [][]byte
	for i, part := range parts {
		for name := range part.Imports() {
			names[name] = true
		}
		for _, d := range all[i] {
			texts = append(texts, d.Text)
		}
	}
	return prog.CheckOutput(t.Context(), pkg.Path, "x_taskgen.go", gosrc.Excerpt(parts, names, texts...)) == nil
}

func compilesByShape(t *testing.T, prog *load.Program, pkg *model.Package, parts []gosrc.Part, all [][]gosrc.Declaration) (compiles, told bool) {
	t.Helper()
	var scans []*shape.Scan
	for i, part := range parts {
		scan, err := shape.Read(pkg, all[i], part.Imports(), gosrc.VerifyComment)
		if err != nil {
			return false, false
		}
		scans = append(scans, scan)
	}
	if _, ok := reduce(prog, pkg, scans); !ok {
		return false, false
	}
	compiles, err := reducedCompiles(t.Context(), prog, pkg, "x_taskgen.go", parts, scans)
	require.NoError(t, err)
	return compiles, true
}

// spoil changes a declaration at one place, and says how.
func spoil(r *rand.Rand, text []byte, others []gosrc.Declaration) ([]byte, string) {
	type lexeme struct {
		from, to int
		tok      token.Token
	}
	read := func(text []byte) []lexeme {
		fset := token.NewFileSet()
		file := fset.AddFile("", -1, len(text))
		var s scanner.Scanner
		s.Init(file, text, nil, 0)
		var all []lexeme
		for {
			pos, tok, lit := s.Scan()
			if tok == token.EOF {
				return all
			}
			if tok == token.SEMICOLON && lit == "\n" {
				continue
			}
			if lit == "" {
				lit = tok.String()
			}
			from := file.Offset(pos)
			all = append(all, lexeme{from, from + len(lit), tok})
		}
	}
	tokens := read(text)
	if len(tokens) < 2 {
		return nil, ""
	}
	other := others[r.IntN(len(others))].Text
	theirs := read(other)
	a, b := tokens[r.IntN(len(tokens))], tokens[r.IntN(len(tokens))]
	if a.from > b.from {
		a, b = b, a
	}
	replace := func(l lexeme, with string) []byte {
		return slices.Concat(text[:l.from], []byte(with), text[l.to:])
	}
	switch how := r.IntN(9); how {
	case 0:
		return replace(a, ""), "a token left out"
	case 1:
		return replace(a, string(text[a.from:a.to])+" "+string(text[a.from:a.to])), "a token twice"
	case 2:
		if a == b {
			return nil, ""
		}
		return slices.Concat(text[:a.from], text[b.from:b.to], text[a.to:b.from], text[a.from:a.to], text[b.to:]), "tokens the wrong way round"
	case 3, 4:
		c := theirs[r.IntN(len(theirs))]
		return replace(a, string(other[c.from:c.to])), "a token of another declaration"
	case 5:
		return other, "another declaration in its place"
	case 6:
		return slices.Concat(text, other), "another declaration behind it"
	case 7:
		return []byte("\n"), "nothing in its place"
	default:
		if a.tok != token.IDENT {
			a = b
		}
		return replace(a, pickOne(r, "string", "int", "any", "init", "_", "nil", "error", "task", "runtime", "String", "Key", `"x"`, "5", "x")), "another word"
	}
}

func pickOne(r *rand.Rand, choices ...string) string { return choices[r.IntN(len(choices))] }
