// Package rule is the catalogue of the rules for annotated packages: what each
// requires, why, and how to fix a violation. All steps report with it: a position in
// the source goes in, a diagnostic comes out.
package rule

import (
	"fmt"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// A Rule is one thing that the generator requires, or warns about.
type Rule struct {
	ID       string
	Severity diag.Severity
	What     string // the requirement
	Why      string // what happens otherwise
	Fix      string // how to fix a violation, unless the diagnostic has better advice
	// Depends says that it depends on the run (the other packages, or the system) whether
	// a violation is found, and whether it is an error or a warning.
	Depends bool
}

// Rules returns all rules in the order of the reference. Callers must not change them.
func Rules() []*Rule { return rules }

// Find returns the rule with an ID, and false if there is none.
func Find(id string) (*Rule, bool) {
	i := slices.IndexFunc(rules, func(r *Rule) bool { return r.ID == id })
	if i < 0 {
		return nil, false
	}
	return rules[i], true
}

func rule(id, what, why, fix string) *Rule {
	return &Rule{ID: id, Severity: diag.Error, What: what, Why: why, Fix: fix}
}

func warning(id, what, why, fix string) *Rule {
	r := rule(id, what, why, fix)
	r.Severity = diag.Warning
	return r
}

// depends marks a rule that depends on more than the package.
func depends(r *Rule) *Rule {
	r.Depends = true
	return r
}

// Allowable reports whether //taskgen:allow may silence the rule: it may silence all
// warnings except the one about such a directive.
func (r *Rule) Allowable() bool { return (r.Severity == diag.Warning || r.Depends) && r != AllowUnused }

// At reports a violation of the rule. An empty fix means the rule's own.
func (r *Rule) At(at model.Span, fix, format string, args ...any) diag.Diagnostic {
	if fix == "" {
		fix = r.Fix
	}
	return diag.Diagnostic{
		Rule: r.ID, Severity: r.Severity, Pos: at.Pos, End: at.End,
		Message: fmt.Sprintf(format, args...), Fix: fix,
	}
}

// Related adds a second place to a diagnostic.
func Related(d diag.Diagnostic, at model.Pos, format string, args ...any) diag.Diagnostic {
	d.Related = &diag.Related{Pos: at, Note: fmt.Sprintf(format, args...)}
	return d
}
