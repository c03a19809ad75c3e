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

	"github.com/taskgen/taskgen/generator/diag"
)

// The seed of TestRandomStructsArriveAsTheyWereSent. 0: another one each time.
var (
	structSeed  = flag.Uint64("structs.seed", 0, "the seed of the random structs")
	structCount = flag.Int("structs", 2000, "how many random structs there are")
)

// packageSize is how many structs one package has.
const packageSize = 250

// What a struct is refused or warned of is told. Where nothing is, the values that are
// sent arrive. Where a field is refused because encoding/json does not carry its type
// there and back, a value shows it.
func TestRandomStructsArriveAsTheyWereSent(t *testing.T) {
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
			structs[i] = s.structure(fmt.Sprintf("S%dTask", i))
		}
		packages = append(packages, structs)
	}

	// Once to see which are told of, and once without those that are refused.
	told, refused := writeStructs(t, dir, packages, nil), map[string]diag.Diagnostic{}
	for name, d := range told {
		if d.Severity == diag.Error {
			refused[name] = d
		}
	}
	written := writeStructs(t, dir, packages, refused)
	for name, d := range written {
		require.Equal(t, diag.Warning, d.Severity, "%s: %s", name, d.Message)
	}
	t.Logf("%d structs, %d of them refused and %d warned of", *structCount, len(refused), len(written))
	assert.Less(t, len(told), *structCount*6/10, "most structs are to be sent")

	out := runStructs(t, dir, packages, told, refused)
	differs := regexp.MustCompile(`(?m)^DIFFERS (\S+): (.*)$`)
	for _, m := range differs.FindAllStringSubmatch(out, -1) {
		t.Errorf("%s: %s\n%s", m[1], m[2], sourceOf(packages, m[1]))
	}
	arrives := regexp.MustCompile(`(?m)^ARRIVES (\S+)$`)
	for _, m := range arrives.FindAllStringSubmatch(out, -1) {
		t.Errorf("%s is refused (%s), and all that was sent has arrived\n%s", m[1], refused[m[1]].Message, sourceOf(packages, m[1]))
	}
	require.Contains(t, out, fmt.Sprintf("sent %d, refused %d\n", *structCount-len(told), witnesses(refused)), out)
}

// shows says whether a random value can show why a struct is refused: it is one that
// encoding/json does not carry. There are none of interfaces with methods, and of what
// cannot be set.
func shows(d diag.Diagnostic) bool {
	return d.Rule == "FIELD_KIND" && !strings.Contains(d.Message, "interface with methods") && !strings.Contains(d.Message, "unexported struct")
}

func witnesses(refused map[string]diag.Diagnostic) int {
	n := 0
	for _, d := range refused {
		if shows(d) {
			n++
		}
	}
	return n
}

func packageName(p int) string { return fmt.Sprintf("p%d", p) }

// writeStructs writes the packages without the structs that are left out, has code
// generated, and returns what is said of each struct, by package.Struct.
func writeStructs(t *testing.T, dir string, packages [][]string, leftOut map[string]diag.Diagnostic) map[string]diag.Diagnostic {
	t.Helper()
	owner := make(map[string]string) // file:line of each line of a struct
	for p, structs := range packages {
		name := packageName(p)
		var b strings.Builder
		fmt.Fprintf(&b, packageHead, name)
		for i, src := range structs {
			task := fmt.Sprintf("%s.S%dTask", name, i)
			if leftOut[task].Rule != "" {
				continue
			}
			from := strings.Count(b.String(), "\n") + 1
			fmt.Fprintf(&b, "//taskgen:task queue=q name=%s_%d\n//taskgen:retry none\n%s\n", name, i, src)
			for line := from; line <= strings.Count(b.String(), "\n"); line++ {
				owner[fmt.Sprintf("%s:%d", filepath.Join(dir, name, "tasks.go"), line)] = task
			}
		}
		put(t, filepath.Join(dir, name, "tasks.go"), []byte(b.String()))
		put(t, filepath.Join(dir, name, "types.go"), []byte("package "+name+"\n"+ownTypes))
	}
	r := generate(t, dir, "", "./...")
	told := make(map[string]diag.Diagnostic)
	for _, d := range r.Diagnostics {
		task := owner[fmt.Sprintf("%s:%d", d.Pos.File, d.Pos.Line)]
		if task == "" && d.Related != nil { // of a type that the struct holds
			task = owner[fmt.Sprintf("%s:%d", d.Related.Pos.File, d.Related.Pos.Line)]
		}
		require.NotEmpty(t, task, "%v", d)
		if d.Rule != "FIELD_TAG" && (told[task].Rule == "" || d.Severity == diag.Error) { // a tag loses nothing
			told[task] = d
		}
	}
	for path, src := range r.Files {
		put(t, path, src)
	}
	return told
}

const packageHead = `// Package %[1]s has random structs.
//
//taskgen:queue name=q
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

// runStructs compiles and vets all packages and a program that sends the structs that
// nothing is told of, and looks for a value that does not arrive of those that are
// refused. It returns what the program says.
func runStructs(t *testing.T, dir string, packages [][]string, told, refused map[string]diag.Diagnostic) string {
	t.Helper()
	goRun(t, dir, "vet", "./...")
	var imports, calls strings.Builder
	for p, structs := range packages {
		name := packageName(p)
		fmt.Fprintf(&imports, "\t%q\n", modulePath+"/"+name)
		var left strings.Builder
		fmt.Fprintf(&left, packageHead, name)
		for i, src := range structs {
			task := fmt.Sprintf("%s.S%dTask", name, i)
			switch {
			case told[task].Rule == "":
				fmt.Fprintf(&calls, "\tsent(%q, &%s.S%dSpec)\n", task, name, i)
			case shows(refused[task]):
				fmt.Fprintln(&left, src)
				fmt.Fprintf(&calls, "\trefused[%s](%q)\n", task, task)
			}
		}
		put(t, filepath.Join(dir, name, "refused.go"), []byte(left.String()))
	}
	put(t, filepath.Join(dir, "main.go"), fmt.Appendf(nil, structDriver, imports.String(), calls.String()))
	return goRun(t, dir, "run", "-gcflags="+modulePath+"/...=-N -l", ".") // compiled once and run for seconds
}

// goRun runs the go command in the module, and returns what it says.
func goRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = dir, env()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "go %s:\n%s", args, out)
	t.Logf("go %s took %v of CPU time", args, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
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

func sourceOf(packages [][]string, task string) string {
	var p, i int
	if _, err := fmt.Sscanf(task, "p%d.S%dTask", &p, &i); err != nil {
		return ""
	}
	return packages[p][i]
}
