package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

const allowed = `package p

// Node is no task: fields of nested structs may be warned of, too.
type Node struct {
	//taskgen:allow FIELD_LOST one
	A int
	B struct {
		C int
		D int //taskgen:allow FIELD_LOST two
	} //taskgen:allow FIELD_LOST three
	E int
}

//taskgen:allow FIELD_LOST four
//taskgen:task
type T struct {
	F int
	G int
}
`

// allowsOf scans a file for its directives.
func allowsOf(t *testing.T, src string) []*directive.Allow {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", src, parser.ParseComments)
	require.NoError(t, err)
	found, diags := directive.Scan(fset, []*ast.File{file})
	require.Empty(t, diags)
	return found.Allows
}

func warningAt(file string, line int) diag.Diagnostic {
	return rule.FieldLost.At(model.Span{Pos: model.Pos{File: file, Line: line, Column: 2}}, "", "line %d", line)
}

func TestTheNearestAllowSilencesAWarning(t *testing.T) {
	allows := allowsOf(t, allowed)
	require.Len(t, allows, 4)
	for line, want := range map[int]string{
		6: "one", 8: "three", 9: "two", 10: "three", 7: "three", 11: "", 14: "four", 15: "four", 17: "four", 4: "",
	} {
		d := warningAt("p.go", line)
		got := ""
		if a := silences(allows, &d); a != nil {
			got, _ = directive.Value[string](a.Directive, "reason")
		}
		assert.Equal(t, want, got, "line %d", line)
	}
	d := warningAt("other.go", 6)
	assert.Nil(t, silences(allows, &d), "another file")
	d = warningAt("p.go", 6)
	d.Severity = diag.Error
	assert.Nil(t, silences(allows, &d), "an error cannot be allowed")
	d = rule.SecretShown.At(model.Span{Pos: model.Pos{File: "p.go", Line: 6}}, "", "another rule")
	assert.Nil(t, silences(allows, &d))
}

func TestAnAllowOnThePackageClauseIsForAllOfItsFiles(t *testing.T) {
	allows := allowsOf(t, "//taskgen:allow FIELD_LOST everywhere\npackage p\n")
	assert.Empty(t, allow(allows, []diag.Diagnostic{warningAt("p.go", 6), warningAt("other.go", 60)}))
}

func TestAnAllowThatSilencesNothingIsWarnedOf(t *testing.T) {
	allows := allowsOf(t, allowed)
	left := allow(allows, []diag.Diagnostic{warningAt("p.go", 6), warningAt("p.go", 10), warningAt("p.go", 17), warningAt("p.go", 11)})
	var got []string
	for _, d := range left {
		got = append(got, d.Message)
		assert.Equal(t, diag.Warning, d.Severity)
	}
	assert.Equal(t, []string{"line 11", "there is no warning FIELD_LOST here"}, got)
	assert.Equal(t, 9, left[1].Pos.Line)
	wrong := rule.FieldKind.At(model.Span{}, "", "an error, so that not all was looked at")
	assert.Equal(t, []diag.Diagnostic{wrong}, allow(allows, []diag.Diagnostic{wrong}))
}
