package sqlite

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// statements reads the named SQL statements out of the sources.
func statements(t *testing.T) map[string]string {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := make(map[string]string)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "sql") {
				return true
			}
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			found[spec.Names[0].Name] = text
			return true
		})
	}
	return found
}

func TestNoStatementScansATable(t *testing.T) {
	all := statements(t)
	require.Greater(t, len(all), 50)
	p := openFile(t, newFile(t))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		require.NoError(t, p.reader.do(context.Background(), 0, func(tt *tx) {
			for r := tt.query("EXPLAIN QUERY PLAN " + all[name]); r.next(); {
				step := r.text(3)
				for line := range strings.SplitSeq(step, "\n") {
					// Results that are newer than n, and the rows of a subquery, are what
					// is asked for.
					fine := !strings.HasPrefix(line, "SCAN") || line == "SCAN CONSTANT ROW" || strings.HasPrefix(line, "SCAN (subquery")
					require.True(t, fine, "%s: %s", name, line)
					require.NotContains(t, line, "TEMP B-TREE", name)
				}
			}
		}), name)
	}
}
