package platform

import (
	"go/build/constraint"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func text(x constraint.Expr) string {
	if x == nil {
		return ""
	}
	return x.String()
}

func TestTheNameOfAFileSaysWhenItIsBuilt(t *testing.T) {
	for name, want := range map[string]string{
		"tasks.go": "", "linux.go": "", "tasks_linux.go": "linux", "tasks_arm64.go": "arm64", "tasks_linux_arm64.go": "linux && arm64",
		"arm64_linux.go": "linux", "tasks_arm64_linux.go": "linux", "my_tasks.go": "", "linux_tasks.go": "", "tasks_none.go": "", "a_b_windows.go": "windows",
		"linux_amd64.go": "amd64", "x_linux_test.go": "linux", "x_linux.pb.go": "linux", "_linux.go": "linux", "x_unix.go": "",
	} {
		x, err := Of("/some_linux/"+name, nil)
		require.NoError(t, err)
		assert.Equal(t, want, text(x), name)
	}
}

func TestAConstraintIsReadInEveryFormThatGoTakes(t *testing.T) {
	for src, want := range map[string]string{
		"//go:build linux\n\npackage p":                                "linux",
		"//go:build\tlinux\n\npackage p":                               "linux",
		"//go:build   (linux)&&!cgo  \r\n\r\npackage p":                "linux && !cgo",
		"\ufeff//go:build linux\n\npackage p":                          "linux",
		"/* a licence */\n\n//go:build linux\npackage p":               "linux",
		"/*\n//go:build linux\n*/\npackage p":                          "",
		"// text\n//go:build linux\n\npackage p":                       "linux",
		"  //go:build linux\n\npackage p":                              "linux",
		"package p\n\n//go:build linux\n":                              "",
		"// +build linux darwin\n// +build amd64\n\npackage p":         "(linux || darwin) && amd64",
		"//+build linux,!cgo\n\npackage p":                             "linux && !cgo",
		"// +build linux\npackage p":                                   "", // no blank line
		"/* x */\n\n// +build linux\n\npackage p":                      "", // not at the top
		"//go:build darwin\n// +build linux\n\npackage p":              "darwin",
		"// +build (what\n\npackage p":                                 "ignore",
		"package p\n\nimport \"C\"\n":                                  "cgo",
		"//go:build linux\n\npackage p\n\nimport `C`\n\nvar x = \"C\"": "linux && cgo",
		"package p\n\nvar x = \"C\"\n":                                 "",
		"":                                                             "",
	} {
		x, err := Of("x.go", []byte(src))
		require.NoError(t, err, src)
		assert.Equal(t, want, text(x), src)
	}
	for _, src := range []string{"//go:build linux\n//go:build amd64\n\npackage p", "//go:build (\n\npackage p"} {
		_, err := Of("x.go", []byte(src))
		assert.Error(t, err, src)
	}
}

// Whatever stands at the top of a file, it is built where go/build says.
func TestAConstraintSaysWhatGoBuildSays(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	exprs := []string{"linux", "!linux", "windows && amd64", "unix", "a || b", "a", "!(a && linux)", "go1.1", "cgo", "gc", "go1.999", "(", "android"}
	plus := []string{"linux", "!linux", "windows,amd64", "a b", "a,!b linux", "(", "x-y"}
	for range 3000 {
		var b strings.Builder
		for range rnd.IntN(6) {
			switch rnd.IntN(8) {
			case 0, 1:
				b.WriteString(pick("//go:build ", "//go:build\t", "//go:build", " //go:build ") + pick(exprs...))
			case 2, 3:
				b.WriteString(pick("// +build ", "//+build ", "//   +build\t", "// +build") + pick(plus...))
			case 4:
				b.WriteString(pick("/* x */", "/*", "*/", "/* //go:build a", "x */ //go:build b", "/**//*"))
			case 5:
				b.WriteString("// text")
			}
			b.WriteString(pick("\n", "\n", "\n\n", "\r\n"))
		}
		src := pick("", "\ufeff") + b.String() + "package p\n" + pick("", "import \"C\"\n")
		name := pick("x.go", "x_linux.go", "x_windows_amd64.go", "linux.go", "x_arm64_test.go")
		x, err := Of(name, []byte(src))
		for _, to := range []Target{
			{System: "linux", Arch: "amd64", Cgo: true},
			{System: "linux", Arch: "arm64", Tags: []string{"a"}},
			{System: "windows", Arch: "amd64", Tags: []string{"b"}},
			{System: "darwin", Arch: "arm64", Cgo: true, Tags: []string{"a", "b"}},
		} {
			// MatchFile knows nothing of import "C", which go/build looks at later.
			want := matches(to, name, src)
			if strings.Contains(src, `"C"`) && !to.Cgo {
				continue
			}
			if err == nil && strings.Contains(src, "/*") && !parses(to, src) {
				continue // go/build stops at a comment without an end
			}
			require.Equal(t, want, err == nil && to.Holds(x), "%+v %s\n%s", to, name, src)
		}
	}
}

func parses(to Target, src string) bool {
	ctx := to.context()
	ctx.UseAllFiles = true
	ctx.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(src)), nil }
	_, err := ctx.MatchFile("", "x.go")
	return err == nil
}

func parse(t *testing.T, s string) constraint.Expr {
	t.Helper()
	if s == "" {
		return nil
	}
	x, err := constraint.Parse("//go:build " + s)
	require.NoError(t, err)
	return x
}

func TestConstraintsAreComparedByWhatTheyMean(t *testing.T) {
	for _, pair := range [][2]string{
		{"linux && amd64", "linux && (amd64)"},
		{"linux && amd64", "amd64 && linux"},
		{"!(a || b)", "!a && !b"},
		{"linux && unix", "linux"},
		{"linux || android", "linux"},
		{"", "a || !a"},
		{"", ""},
		{"linux && !windows", "linux"},
	} {
		assert.True(t, Same(parse(t, pair[0]), parse(t, pair[1])), pair)
	}
	for _, pair := range [][2]string{{"linux", "windows"}, {"", "linux"}, {"linux", ""}, {"a", "b"}, {"linux && a", "linux"}, {"unix", "linux || darwin"}, {"go1.20", "go1.21"}, {"cgo", ""}} {
		assert.False(t, Same(parse(t, pair[0]), parse(t, pair[1])), pair)
	}
	assert.True(t, Implies(parse(t, "linux && a"), parse(t, "linux")))
	assert.False(t, Implies(parse(t, "linux"), parse(t, "linux && a")))
}

func TestAConstraintThatAsksForIgnoreHoldsNowhere(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "linux": true, "pro": true, "!pro": true, "ignore": false, "ignore && linux": false, "linux && windows": false,
		"!ignore": true, "linux || ignore": true, "a && !a": false, "cgo && !cgo": false, "gccgo": true, "go1.999": true,
	} {
		assert.Equal(t, want, Possible(parse(t, s)), s)
	}
}

func TestTheNearestTargetIsFound(t *testing.T) {
	here := Target{System: "darwin", Arch: "arm64", Tags: []string{"mine"}}
	for s, want := range map[string]Target{
		"linux":            {System: "linux", Arch: "arm64", Tags: []string{"mine"}},
		"amd64":            {System: "darwin", Arch: "amd64", Tags: []string{"mine"}},
		"pro":              {System: "darwin", Arch: "arm64", Tags: []string{"mine", "pro"}},
		"!mine":            {System: "darwin", Arch: "arm64", Tags: []string{}},
		"cgo":              {System: "darwin", Arch: "arm64", Cgo: true, Tags: []string{"mine"}},
		"windows && pro":   {System: "windows", Arch: "arm64", Tags: []string{"mine", "pro"}},
		"js":               {System: "js", Arch: "wasm", Tags: []string{"mine"}},
		"wasm":             {System: "js", Arch: "wasm", Tags: []string{"mine"}},
		"unix && !darwin":  {System: "linux", Arch: "arm64", Tags: []string{"mine"}},
		"linux && s390x":   {System: "linux", Arch: "s390x", Tags: []string{"mine"}},
		"darwin || ignore": {System: "darwin", Arch: "arm64", Tags: []string{"mine"}},
	} {
		got, ok := here.Elsewhere(parse(t, s))
		if assert.True(t, ok, s) {
			assert.Equal(t, want.System+"/"+want.Arch, got.System+"/"+got.Arch, s)
			assert.Equal(t, want.Cgo, got.Cgo, s)
			assert.ElementsMatch(t, want.Tags, got.Tags, s)
			assert.True(t, got.Holds(parse(t, s)))
		}
	}
	for _, s := range []string{"ignore", "go1.999", "gccgo", "linux && windows"} {
		_, ok := here.Elsewhere(parse(t, s))
		assert.False(t, ok, s)
	}
}

func TestAConstraintOfAnyLengthIsAnswered(t *testing.T) {
	var all []string
	for i := range 60 {
		all = append(all, "t"+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	long := parse(t, strings.Join(all, " && "))
	assert.True(t, Possible(long))
	assert.True(t, Same(long, long))
	assert.False(t, Same(long, nil))
	_, ok := Target{System: "linux", Arch: "amd64"}.Elsewhere(long)
	assert.False(t, ok)
}

func TestTheTargetIsThatOfTheEnvironment(t *testing.T) {
	to := Here([]string{"GOOS=windows", "GOARCH=386", "GOOS=darwin", "GOFLAGS=-mod=mod -tags=a,b"}, "")
	assert.Equal(t, "darwin", to.System)
	assert.Equal(t, "386", to.Arch)
	assert.False(t, to.Cgo)
	assert.Equal(t, []string{"a", "b"}, to.Tags)
	assert.Equal(t, []string{"c", "d"}, Here([]string{"GOFLAGS=-tags=a", "CGO_ENABLED=1"}, "c d").Tags)
	assert.True(t, Here([]string{"CGO_ENABLED=1"}, "").Cgo)
	assert.NotEmpty(t, Here(nil, "").System)
	from := Target{System: "linux", Arch: "arm", Cgo: true}
	assert.Empty(t, from.Env(from))
	assert.Equal(t, []string{"CGO_ENABLED=1"}, from.Env(Target{System: "linux", Arch: "arm"}))
	assert.Equal(t, []string{"GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0"}, Target{System: "js", Arch: "wasm"}.Env(from))
}
