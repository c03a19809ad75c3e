package directive

import (
	"go/ast"
	"go/token"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// An Allow is a //taskgen:allow. It silences the warnings of a rule on its lines of its
// file, or in the whole package if it has no lines.
type Allow struct {
	Directive   *Directive
	Rule        *rule.Rule
	First, Last int // lines; 0: the package
}

// Silences reports whether a silences a warning of its rule at a position.
func (a *Allow) Silences(at model.Pos) bool {
	return a.First == 0 || at.File == a.Directive.Span.File && a.First <= at.Line && at.Line <= a.Last
}

// Within reports whether a covers a part of what b covers.
func (a *Allow) Within(b *Allow) bool {
	return a.First > 0 && (b.First == 0 || a.First >= b.First && a.Last <= b.Last && a.Last-a.First < b.Last-b.First)
}

// allow records a //taskgen:allow. It returns false if it stands neither on a package
// clause nor on a type or a field.
func (s *scanner) allow(f *ast.File, group *ast.CommentGroup, d *Directive) bool {
	a := &Allow{Directive: d}
	if group != f.Doc {
		n := commented(f, group)
		if n == nil {
			return false
		}
		a.First, a.Last = s.lines(group, n)
	}
	// An invalid one silences nothing, and is not reported as unused too.
	if r, ok := Value[*rule.Rule](d, "rule"); ok && d.Arg("reason") != nil {
		a.Rule = r
		s.found.Allows = append(s.found.Allows, a)
	}
	return true
}

// lines are the lines of a declaration and of the comment above or behind it.
func (s *scanner) lines(comment *ast.CommentGroup, n ast.Node) (first, last int) {
	line := func(pos token.Pos) int { return s.fset.PositionFor(pos, false).Line }
	return line(min(comment.Pos(), n.Pos())), line(n.End())
}

// commented is the type, the field or the variable (also in functions) that a comment
// stands above or behind, or nil.
func commented(f *ast.File, group *ast.CommentGroup) ast.Node {
	var found ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			if n.Tok == token.TYPE && n.Doc == group && !n.Lparen.IsValid() {
				found = n.Specs[0]
			}
		case *ast.TypeSpec:
			if n.Doc == group || n.Comment == group {
				found = n
			}
		case *ast.ValueSpec:
			if n.Doc == group || n.Comment == group {
				found = n
			}
		case *ast.Field:
			if n.Doc == group || n.Comment == group {
				found = n
			}
		}
		return found == nil
	})
	return found
}
