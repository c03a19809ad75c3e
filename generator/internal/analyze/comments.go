package analyze

import (
	"go/ast"
	"go/token"
	"strings"
)

// comments are the comments above and beside fields and types of the package, on one line
// each, by the position of the name.
func (b *builder) comments() map[token.Pos]string {
	if b.docs != nil {
		return b.docs
	}
	b.docs = make(map[token.Pos]string)
	note := func(pos token.Pos, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
				b.docs[pos] = text
				return
			}
		}
	}
	for _, f := range b.pkg.Files {
		if f.Syntax == nil {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return false
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok && len(n.Specs) == 1 {
						note(spec.Name.Pos(), spec.Doc, n.Doc)
					} else if ok {
						note(spec.Name.Pos(), spec.Doc)
					}
				}
			case *ast.Field:
				for _, name := range n.Names {
					note(name.Pos(), n.Doc, n.Comment)
				}
			}
			return true
		})
	}
	return b.docs
}
