package diag_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/diag"
)

func TestWhatDoesNotShowIsEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"plain föö\t日本": "plain föö\t日本", "a\nb\r": `a\nb\r`, "\x1b]0;owned\x07": `\x1b]0;owned\x07`, "\u009b31m": `\u009b31m`, "\x9b31m": `\x9b31m`,
		"\u202eevil\u202c": `\u202eevil\u202c`, "\u2066x\u2069": `\u2066x\u2069`, "\u200f": `\u200f`, "\ufeff": `\ufeff`, "\U000e0041": `\U000e0041`,
		"می\u200cخواهم": "می\u200cخواهم", "\u2028": `\u2028`, "\x00\x7f": `\x00\x7f`, "\ufffd": "\ufffd", "a\u00a0b": "a\u00a0b", "": "",
	} {
		assert.Equal(t, want, diag.Visible(in), "%q", in)
	}
}

// nasty is what a pull request puts into names, source text and file names.
const nasty = "x\n::error file=a.go::forged\r\n\x1b]0;owned\x07\u202e##[error]##vso[task.x]\u009b \x9b ##teamcity[x]"

// obeyed says what a terminal or a CI system would obey in a text.
func obeyed(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::") {
			return line
		}
		for _, command := range []string{"##[", "##vso[", "##teamcity["} {
			if strings.Contains(line, command) {
				return line
			}
		}
		for _, r := range strings.TrimSuffix(line, "\n") {
			if r != '\t' && !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) || r == unicode.ReplacementChar {
				return line
			}
		}
	}
	return ""
}

func TestNothingFromAPackageIsObeyed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "::error file=x::y\x1b.go")
	require.NoError(t, os.WriteFile(file, []byte("::error::a\n\u202e"+nasty+"\n"), 0o644))
	ds := []diag.Diagnostic{
		{Rule: "ONE", Severity: diag.Error, Pos: at(file, 1, 1), Message: nasty, Fix: nasty, Related: &diag.Related{Pos: at(nasty, 1, 1), Note: nasty}},
		{Rule: "TWO", Severity: diag.Warning, Pos: at(file, 2, 3), End: 6, Message: nasty},
	}
	var b strings.Builder
	w := diag.NewWriter(&b, "text")
	require.NoError(t, diag.Text(w, ds, dir))
	_, err := w.Write([]byte(" \u2003::error::" + nasty))
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	assert.Empty(t, obeyed(b.String()))
	assert.Contains(t, b.String(), `\::error file=x::y\x1b.go:1:1: x\n::error file=a.go`)

	b.Reset()
	w = diag.NewWriter(&b, "github")
	require.NoError(t, diag.GitHub(w, append(ds, diag.Diagnostic{Severity: diag.Warning, Message: nasty}), dir))
	for line := range strings.Lines(b.String()) {
		assert.Regexp(t, "^::(error|warning)( file=[^:,]+,line=[0-9]+,col=[0-9]+(,endColumn=[0-9]+)?,title=[A-Z]+)?::", line)
		assert.Empty(t, obeyed(strings.ReplaceAll(strings.TrimLeft(line, ":"), "##", "")))
	}
	assert.Equal(t, 3, strings.Count(b.String(), "\n"))
}

func TestJSONStaysWhatItWas(t *testing.T) {
	var b strings.Builder
	w := diag.NewWriter(&b, "json")
	doc := map[string]string{"a": nasty + "\U000e0041\u2028"}
	require.NoError(t, json.NewEncoder(w).Encode(doc))
	assert.Empty(t, obeyed(strings.ReplaceAll(b.String(), "##", "")))
	var back map[string]string
	require.NoError(t, json.Unmarshal([]byte(b.String()), &back))
	assert.Equal(t, strings.ToValidUTF8(doc["a"], "\ufffd"), back["a"])
}

func TestLinesThatComeInPiecesAreWhole(t *testing.T) {
	var b strings.Builder
	w := diag.NewWriter(&b, "text")
	for _, c := range []byte("föö\n::x\n\n日本") {
		n, err := w.Write([]byte{c})
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
	assert.Equal(t, "föö\n\\::x\n\n", b.String())
	require.NoError(t, w.Flush())
	require.NoError(t, w.Flush())
	assert.Equal(t, "föö\n\\::x\n\n日本", b.String())
	_, err := diag.NewWriter(fullDisk{}, "text").Write([]byte("a\n"))
	assert.EqualError(t, err, "disk full")
}

func TestAGiganticLineIsShownAroundTheMistake(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.go")
	line := strings.Repeat("é", 500_000) + "WRONG" + strings.Repeat("\x1b", 500_000)
	require.NoError(t, os.WriteFile(file, []byte(line+"\n"), 0o644))
	var ds []diag.Diagnostic
	for range 2_000 { // each is cheap, wherever it is
		ds = append(ds, diag.Diagnostic{Rule: "ONE", Pos: at(file, 1, 1_000_001), End: 1_000_006, Message: "m"})
	}
	ds = append(ds, diag.Diagnostic{Rule: "TWO", Pos: at(file, 1, 1), End: 2_000_000, Message: line})
	var b strings.Builder
	require.NoError(t, diag.Text(&b, ds, dir))
	parts := strings.Split(b.String(), "\n")
	assert.True(t, strings.HasPrefix(parts[1], "    1 | …éé"))
	assert.Contains(t, parts[1], "éWRONG\\x1b")
	assert.True(t, strings.HasSuffix(parts[1], "…"))
	column := len([]rune(parts[1][:strings.Index(parts[1], "WRONG")]))
	assert.Equal(t, strings.Repeat(" ", column-len("      | ")), strings.TrimSuffix(strings.TrimPrefix(parts[2], "      | "), "^^^^^"))
	for _, p := range parts {
		assert.Less(t, len(p), 9000)
	}
}

func TestAMarkOfByteOrderMovesNoCarets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.go")
	require.NoError(t, os.WriteFile(file, []byte("\ufeff//taskgen:queue x\r\n"), 0o644))
	var b strings.Builder
	require.NoError(t, diag.Text(&b, []diag.Diagnostic{{Rule: "ONE", Pos: at(file, 1, 4), End: 19, Message: "m"}}, dir))
	assert.Equal(t, "a.go:1:4: m [ONE]\n    1 | //taskgen:queue x\n      | ^^^^^^^^^^^^^^^\n", b.String())
}

func FuzzTextIsNeverObeyed(f *testing.F) {
	f.Add(nasty, nasty, 3)
	f.Add("\ufeffx", "::error::x", 1)
	f.Fuzz(func(t *testing.T, source, message string, column int) {
		file := filepath.Join(t.TempDir(), "a.go")
		require.NoError(t, os.WriteFile(file, []byte(source), 0o644))
		var b strings.Builder
		w := diag.NewWriter(&b, "text")
		d := diag.Diagnostic{Rule: "ONE", Severity: diag.Error, Pos: at(file, 1, column), End: column + 3, Message: message, Fix: message, Related: &diag.Related{Pos: at(message, 1, 1), Note: source}}
		require.NoError(t, diag.Text(w, []diag.Diagnostic{d}, ""))
		require.NoError(t, w.Flush())
		clean := strings.NewReplacer("\u200c", "", "\u200d", "", "\ufffd", "").Replace(b.String())
		require.Empty(t, obeyed(clean))
	})
}
