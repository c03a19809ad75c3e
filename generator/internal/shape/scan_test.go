package shape

import (
	"errors"
	goscanner "go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// show is the canonical text of a declaration of a task with these names: $A stands for
// the first, and # for a string.
func show(src string, names ...string) (string, error) {
	s := scanner{used: make(map[string]bool), names: letters(names)}
	out, err := s.scan(nil, []byte(src))
	return strings.NewReplacer("\x00", "$", "\x01", "#").Replace(string(out)), err
}

func TestTheCanonicalText(t *testing.T) {
	for src, want := range map[string]string{
		"\n// F of A.\n//\n// A again\nfunc F(a A) {\n\t\tA.b() // A\n}\n": "func F(a $A) {\n$A.b() \n}",
		"var x =  A{Name:   \"a\", T: `A\n\t\"`}":                          "var x = $A{Name: #, T: #}",
		"const a = \"x\" + B + `y`":                                        "const a = # + $B + #",
		"type t struct {\n\tX A `json:\"x\"`\n}":                           "type t struct {\nX $A `json:\"x\"`\n}",
		"var x = a == \"b\"":                                               "var x = a == \"b\"",
		"var x = m[\"b\"]":                                                 "var x = m[\"b\"]",
		"var x = len(\"b\")":                                               "var x = len(\"b\")",
		"var x = f(a, \"b\")":                                              "var x = f(a, #)",
		"var x = map[string]int{\"b\": 1}":                                 "var x = map[string]int{\"b\": 1}",
		"var x = f(a, \"\\q\")":                                            "var x = f(a, \"\\q\")",
		"var AA, xA, A1, é, 0xA, '\\'', A = 1, '\"', 0.5e3":                "var AA, xA, A1, é, 0xA, '\\'', $A = 1, '\"', 0.5e3",
	} {
		got, err := show(src, "A", "B")
		assert.NoError(t, err, src)
		assert.Equal(t, want, got)
	}
}

func TestWhatIsLeftToOthers(t *testing.T) {
	for _, src := range []string{
		"/* x */ var a = 1", "var a = 1 /* x", "var a = \"b", "var a = `b", "var a = 'b\n'", "var a =\r\n 1", "// x\ry\nvar a = 1", "var a = \x00", "var a = \x01",
		"func f() {", "func f() }", "var a = 1 +", "type t chan", "var a = b.",
	} {
		_, err := show(src)
		assert.ErrorIs(t, err, ErrOdd, "%q", src)
	}
	for _, text := range []string{"\x00", "\xff", "a\ufeff"} {
		assert.False(t, plain([]byte(text)))
	}
	assert.True(t, plain([]byte("é\n")))
}

func TestEveryCommentIsSeen(t *testing.T) {
	var seen []string
	stop := errors.New("stop")
	s := scanner{used: make(map[string]bool), comment: func(c []byte) error {
		seen = append(seen, string(c))
		if string(c) == "//go:build x" {
			return stop
		}
		return nil
	}}
	_, err := s.scan(nil, []byte("// a\n//b\nvar x = `// c` + \"// d\" // e\n//go:build x\n"))
	require.ErrorIs(t, err, stop)
	require.Equal(t, []string{"// a", "//b", "// e", "//go:build x"}, seen)
}

// The scanner finds the words that the scanner of Go finds.
func TestTheScannerReadsAsGoDoes(t *testing.T) {
	paths, err := filepath.Glob("../*/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	read := 0
	for _, path := range paths {
		src, err := os.ReadFile(path)
		require.NoError(t, err)
		var got, want []string
		each := scanner{used: make(map[string]bool), each: func(word []byte) { got = append(got, string(word)) }}
		if _, err := each.scan(nil, src); err != nil {
			continue
		}
		read++
		var s goscanner.Scanner
		fset := token.NewFileSet()
		s.Init(fset.AddFile("", -1, len(src)), src, nil, 0)
		for {
			_, tok, lit := s.Scan()
			if tok == token.EOF {
				break
			}
			if tok == token.IDENT || tok.IsKeyword() {
				want = append(want, lit)
			}
		}
		require.Equal(t, want, got, path)
	}
	require.Greater(t, read, len(paths)*3/4)
}
