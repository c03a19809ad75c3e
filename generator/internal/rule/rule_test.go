package rule_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/rule"
)

func TestEveryRuleSaysWhatAndWhyAndHowToMend(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range rule.Rules() {
		assert.Regexp(t, `^[A-Z]+(_[A-Z]+)*$`, r.ID)
		assert.False(t, seen[r.ID], "%s is there twice", r.ID)
		seen[r.ID] = true
		for _, text := range []string{r.What, r.Why, r.Fix} {
			assert.NotEmpty(t, text, r.ID)
			assert.NotRegexp(t, `[.\s]$`, text, r.ID)
		}
		found, ok := rule.Find(r.ID)
		assert.True(t, ok)
		assert.Same(t, r, found)
	}
	_, ok := rule.Find("NO_SUCH_RULE")
	assert.False(t, ok)
}

// The catalogue has each rule that is declared, in the order of the declarations.
func TestTheCatalogueIsComplete(t *testing.T) {
	var (
		declared []string
		decls    []ast.Decl
	)
	for _, name := range []string{"rules.go", "rules_wire.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		decls = append(decls, file.Decls...)
	}
	for _, d := range decls {
		for _, spec := range d.(*ast.GenDecl).Specs {
			v := spec.(*ast.ValueSpec)
			if !v.Names[0].IsExported() {
				continue
			}
			id := ""
			ast.Inspect(v.Values[0], func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && id == "" {
					text, err := strconv.Unquote(lit.Value)
					require.NoError(t, err)
					id = text
				}
				return true
			})
			declared = append(declared, id)
		}
	}
	var listed []string
	for _, r := range rule.Rules() {
		listed = append(listed, r.ID)
	}
	require.NotEmpty(t, declared)
	assert.Equal(t, declared, listed)
}

func TestAWrongNameLeadsToTheNearestOrToAll(t *testing.T) {
	assert.Equal(t, "did you mean queue?", rule.DidYouMean("queu", []string{"timeout", "queue", "name"}))
	assert.Equal(t, "known are a, b", rule.DidYouMean("frobnicate", []string{"a", "b"}))
	assert.Empty(t, rule.DidYouMean("frobnicate", nil))
}
