package taskgen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGodocShowsWhatIsSaidAboveExportedNames finds comments that stand above the doc
// comment of something exported, and belong to nothing: godoc leaves them out.
func TestGodocShowsWhatIsSaidAboveExportedNames(t *testing.T) {
	for _, dir := range goList(t, "-f", "{{.Dir}}", "./runtime/...", "./config/...", "./generator", "./analyzer/...") {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, c := range detached(fset, f) {
				assert.Fail(t, "a comment above something exported is not part of its doc", fset.Position(c.Pos()))
			}
		}
	}
}

// detached returns the comments of a file between two declarations, of which the second
// is exported, that are not its doc.
func detached(fset *token.FileSet, f *ast.File) (found []*ast.CommentGroup) {
	line := func(at token.Pos) int { return fset.Position(at).Line }
	end := line(f.Name.End())
	for _, d := range f.Decls {
		if doc, exported := docOf(d); exported {
			for _, c := range f.Comments {
				if c != doc && line(c.Pos()) > end && c.End() < d.Pos() {
					found = append(found, c)
				}
			}
		}
		end = line(d.End())
	}
	return found
}

// docOf returns the doc of a declaration, and whether the first name in it is exported.
func docOf(d ast.Decl) (doc *ast.CommentGroup, exported bool) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Doc, d.Name.IsExported()
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				return d.Doc, spec.Name.IsExported()
			case *ast.ValueSpec:
				return d.Doc, spec.Names[0].IsExported()
			}
		}
	}
	return nil, false
}
