package generator_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/diag"
)

// The seed of TestRandomStructsArriveAsTheyWereSent. 0: another one each time.
var (
	structSeed  = flag.Uint64("structs.seed", 0, "the seed of the random structs")
	structCount = flag.Int("structs", 2000, "how many random structs there are")
)

const (
	packageSize = 250 // structs of a package
	taskSize    = 10  // structs that one task sends: compiling is what takes time
	shown       = 200 // refused structs for which a value is looked for
)

// What a struct is refused or warned of is told. Where nothing is, the values that are
// sent arrive. Where a field is refused because encoding/json does not carry its type
// there and back, a value shows it.
func TestRandomStructsArriveAsTheyWereSent(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles hundreds of structs")
	}
	seed := *structSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./generator -run %s -structs %d -structs.seed %d", t.Name(), *structCount, seed)
	s := &structSource{r: rand.New(rand.NewPCG(seed, 0))}
	dir := module(t, nil)
	put(t, filepath.Join(dir, "parts", "parts.go"), []byte(partsSource()))
	var packages [][]string
	for n := 0; n < *structCount; n += packageSize {
		structs := make([]string, min(packageSize, *structCount-n))
		for i := range structs {
			structs[i] = s.structure(fmt.Sprintf("S%d", i))
		}
		packages = append(packages, structs)
	}

	told := diagnose(t, dir, packages)
	var whole, refused []string
	for p, structs := range packages {
		for i := range structs {
			name := structName(p, i)
			switch d, ok := told[name]; {
			case !ok:
				whole = append(whole, name)
			case shows(d):
				refused = append(refused, name)
			}
		}
	}
	t.Logf("%d structs, %d of them told of", *structCount, len(told))
	assert.Greater(t, len(whole), *structCount*4/10, "most structs are to be sent")
	refused = refused[:min(len(refused), shown)]
	out := send(t, dir, packages, whole, refused)
	for _, m := range regexp.MustCompile(`(?m)^DIFFERS (\S+): (.*)$`).FindAllStringSubmatch(out, -1) {
		t.Errorf("%s: %s", m[1], m[2])
	}
	for _, m := range regexp.MustCompile(`(?m)^ARRIVES (\S+)$`).FindAllStringSubmatch(out, -1) {
		t.Errorf("%s is refused (%s), and all that was sent has arrived\n%s", m[1], told[m[1]].Message, sourceOf(packages, m[1]))
	}
	require.Contains(t, out, fmt.Sprintf("sent %d, refused %d\n", tasksFor(whole), len(refused)), out)
}

func structName(p, i int) string { return fmt.Sprintf("%s.S%d", packageName(p), i) }

// shows says whether a random value can show why a struct is refused: it is one that
// encoding/json does not carry. There are none of interfaces with methods, and of what
// cannot be set.
func shows(d diag.Diagnostic) bool {
	return d.Rule == "FIELD_KIND" && !strings.Contains(d.Message, "interface with methods") && !strings.Contains(d.Message, "unexported struct")
}

func packageName(p int) string { return fmt.Sprintf("p%d", p) }

// diagnose makes each struct a task of its own, and returns what is said of it, an
// error before a warning, by its name. A tag that says something else than what is done
// loses nothing, and does not count.
func diagnose(t *testing.T, dir string, packages [][]string) map[string]diag.Diagnostic {
	t.Helper()
	owner := make(map[string]string) // by file:line
	for p, structs := range packages {
		var b strings.Builder
		fmt.Fprintf(&b, packageHead, packageName(p))
		path := filepath.Join(dir, packageName(p), "tasks.go")
		for i, src := range structs {
			from := strings.Count(b.String(), "\n") + 1
			fmt.Fprintf(&b, "//taskgen:task queue=q name=%s_%d\n%s\n", packageName(p), i, src)
			for line := from; line <= strings.Count(b.String(), "\n"); line++ {
				owner[fmt.Sprintf("%s:%d", path, line)] = structName(p, i)
			}
		}
		put(t, path, []byte(b.String()))
		put(t, filepath.Join(dir, packageName(p), "types.go"), []byte("package "+packageName(p)+"\n"+ownTypes))
	}
	told := make(map[string]diag.Diagnostic)
	for _, d := range generate(t, dir, "", "./...").Diagnostics {
		name := owner[fmt.Sprintf("%s:%d", d.Pos.File, d.Pos.Line)]
		if name == "" && d.Related != nil { // of a type that the struct holds
			name = owner[fmt.Sprintf("%s:%d", d.Related.Pos.File, d.Related.Pos.Line)]
		}
		require.NotEmpty(t, name, "%v", d)
		if d.Rule != "FIELD_TAG" && (told[name].Rule == "" || d.Severity == diag.Error) {
			told[name] = d
		}
	}
	return told
}

const packageHead = `// Package %[1]s has random structs.
//
//taskgen:queue name=q
//taskgen:retry none
//taskgen:defaults timeout=1m
package %[1]s

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"net/url"
	"time"

	"example.com/golden/parts"
)

var _ = []any{json.RawMessage(nil), new(big.Int), netip.Addr{}, url.URL{}, time.Time{}, parts.IntNoneNone(0)}

`

// ownTypes are types of the package itself that random structs are made of.
const ownTypes = `
import "time"

type (
	Text    string
	Count   int32
	Words   []Text
	Table   map[Text][]Count
	Pointer *Count
	Moment  *time.Time
	Box[T any] struct {
		V T
		L []T ` + "`json:\"l,omitempty\"`" + `
	}
	Tree struct {
		Name string ` + "`json:\"name\"`" + `
		Kids []*Tree
		By   map[string]Tree
	}
	Base struct {
		A int
		B string ` + "`json:\"b\"`" + `
	}
	base struct {
		C *int
		D Text ` + "`json:\"d\"`" + `
	}
	Deep struct {
		base
		E []Base
	}
)
`

// send generates tasks of several structs each for those that nothing is told of, and
// vets and compiles them with a program that sends them. For the refused ones it sends
// values without generated code. It returns what the program says.
func send(t *testing.T, dir string, packages [][]string, whole, refused []string) string {
	t.Helper()
	var calls strings.Builder
	for p := range packages {
		var b strings.Builder
		fmt.Fprintf(&b, packageHead, packageName(p))
		var mine []string
		for _, name := range whole {
			if strings.HasPrefix(name, packageName(p)+".") {
				fmt.Fprintln(&b, sourceOf(packages, name))
				mine = append(mine, strings.TrimPrefix(name, packageName(p)+"."))
			}
		}
		for i := 0; i < len(mine); i += taskSize {
			fmt.Fprintf(&b, "//taskgen:task queue=q name=%s_%d\ntype T%dTask struct {\n", packageName(p), i, i)
			for _, name := range mine[i:min(i+taskSize, len(mine))] {
				fmt.Fprintf(&b, "\t%s %s\n", name+"Value", name)
			}
			b.WriteString("}\n\n")
			fmt.Fprintf(&calls, "\tsent(\"%[1]s.T%[2]dTask\", &%[1]s.T%[2]dSpec)\n", packageName(p), i)
		}
		put(t, filepath.Join(dir, packageName(p), "tasks.go"), []byte(b.String()))
	}
	r := generate(t, dir, "", "./...")
	for _, d := range r.Diagnostics {
		require.Equal(t, diag.Warning, d.Severity, "%v", d)
	}
	for path, src := range r.Files {
		put(t, path, src)
	}
	goRun(t, dir, "vet", "./...")

	var imports strings.Builder
	for p := range packages {
		var left strings.Builder
		fmt.Fprintf(&left, strings.ReplaceAll(packageHead, "//taskgen:", "//"), packageName(p))
		for _, name := range refused {
			if strings.HasPrefix(name, packageName(p)+".") {
				fmt.Fprintln(&left, sourceOf(packages, name))
				fmt.Fprintf(&calls, "\trefused[%s](%q)\n", name, name)
			}
		}
		put(t, filepath.Join(dir, packageName(p), "refused.go"), []byte(left.String()))
		fmt.Fprintf(&imports, "\t%q\n", modulePath+"/"+packageName(p))
	}
	put(t, filepath.Join(dir, "main.go"), fmt.Appendf(nil, structDriver, imports.String(), calls.String()))
	goRun(t, dir, "build", "-gcflags="+modulePath+"/...=-N -l", "-o", "sender", ".") // it runs for seconds
	return run(t, dir, filepath.Join(dir, "sender"))
}

// tasksFor is how many tasks send the structs: each has those of one package.
func tasksFor(whole []string) int {
	perPackage := make(map[string]int)
	for _, name := range whole {
		pkg, _, _ := strings.Cut(name, ".")
		perPackage[pkg]++
	}
	n := 0
	for _, structs := range perPackage {
		n += (structs + taskSize - 1) / taskSize
	}
	return n
}

// goRun runs the go command in the module, and returns what it says.
func goRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return run(t, dir, "go", args...)
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, env()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s:\n%s", name, args, out)
	t.Logf("%s %s took %v of CPU time", filepath.Base(name), args, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	return string(out)
}

const structDriver = `package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/tasktest"

%s)

// A log is a test that keeps what it is told.
type log struct {
	testing.TB
	said    string
	cleanup []func()
}

func (l *log) Helper()                           {}
func (l *log) Context() context.Context          { return context.Background() }
func (l *log) Cleanup(f func())                  { l.cleanup = append(l.cleanup, f) }
func (l *log) Errorf(format string, args ...any) { l.said = fmt.Sprintf(format, args...) }
func (l *log) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func roundTrip[T any](spec *runtime.Spec[T]) string {
	l := &log{}
	tasktest.RoundTrip(l, spec)
	for _, f := range l.cleanup {
		f()
	}
	return l.said
}

var sentCount, refusedCount int

func sent[T any](name string, spec *runtime.Spec[T]) {
	sentCount++
	if said := roundTrip(spec); said != "" {
		fmt.Printf("DIFFERS %%s: %%s\n", name, said)
	}
}

func refused[T any](name string) {
	refusedCount++
	if roundTrip(&runtime.Spec[T]{Type: "t", Queue: "q"}) == "" {
		fmt.Printf("ARRIVES %%s\n", name)
	}
}

func main() {
%s	fmt.Printf("sent %%d, refused %%d\n", sentCount, refusedCount)
}
`

func sourceOf(packages [][]string, name string) string {
	var p, i int
	if _, err := fmt.Sscanf(name, "p%d.S%d", &p, &i); err != nil {
		return ""
	}
	return packages[p][i]
}
