package directive

import (
	"go/ast"
	"go/token"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// An Allow is a //taskgen:allow: the warnings of a rule that it silences are those
// on its lines of its file, or all of the package where it has no lines.
type Allow struct {
	Directive   *Directive
	Rule        *rule.Rule
	First, Last int // lines; 0: the package
}

// Silences reports whether a warning of the rule of a at a place is meant.
func (a *Allow) Silences(at model.Pos) bool {
	return a.First == 0 || at.File == a.Directive.Span.File && a.First <= at.Line && at.Line <= a.Last
}

// Within reports whether a stands for a part of what b stands for.
func (a *Allow) Within(b *Allow) bool {
	return a.First > 0 && (b.First == 0 || a.First >= b.First && a.Last <= b.Last && a.Last-a.First < b.Last-b.First)
}

// allow keeps a //taskgen:allow. It returns false when it stands neither on a
// package clause nor on a type or a field.
func (s *scanner) allow(f *ast.File, group *ast.CommentGroup, d *Directive) bool {
	a := &Allow{Directive: d}
	if group != f.Doc {
		n := commented(f, group)
		if n == nil {
			return false
		}
		a.First, a.Last = s.lines(group, n)
	}
	// One that is in error silences nothing, and is not reported as unused too.
	if r, ok := Value[*rule.Rule](d, "rule"); ok && d.Arg("reason") != nil {
		a.Rule = r
		s.found.Allows = append(s.found.Allows, a)
	}
	return true
}

// lines are those of a declaration and the comment that stands above or behind it.
func (s *scanner) lines(comment *ast.CommentGroup, n ast.Node) (first, last int) {
	line := func(pos token.Pos) int { return s.fset.PositionFor(pos, false).Line }
	return line(min(comment.Pos(), n.Pos())), line(n.End())
}

// commented is the type, the field or the variable, in functions too, that a comment
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
