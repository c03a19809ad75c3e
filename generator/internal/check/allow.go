package check

import (
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// allow removes the warnings of a package that its //taskgen:allow directives silence,
// and warns about directives that silence none. The nearest directive silences a
// warning: a field's before its struct's, and that before the package's. If there are
// errors the checks are not complete, and it is not known which directives are used.
func allow(allows []*directive.Allow, ds []diag.Diagnostic) []diag.Diagnostic {
	if len(allows) == 0 {
		return ds
	}
	used := make(map[*directive.Allow]bool)
	var left []diag.Diagnostic
	for _, d := range ds {
		if a := silences(allows, &d); a != nil {
			used[a] = true
		} else {
			left = append(left, d)
		}
	}
	if diag.HasErrors(ds) {
		return left
	}
	for _, a := range allows {
		if !used[a] && !a.Rule.Depends { // another run has more to warn of
			left = append(left, rule.AllowUnused.At(a.Directive.Span, "", "there is no warning %s here", a.Rule.ID))
		}
	}
	return left
}

// silences returns the directive that silences a diagnostic, or nil.
func silences(allows []*directive.Allow, d *diag.Diagnostic) *directive.Allow {
	var nearest *directive.Allow
	for _, a := range allows {
		if a.Rule.ID == d.Rule && d.Severity == diag.Warning && a.Silences(d.Pos) && (nearest == nil || a.Within(nearest)) {
			nearest = a
		}
	}
	return nearest
}
