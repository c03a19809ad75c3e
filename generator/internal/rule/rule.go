// Package rule is the catalogue of the rules that annotated packages are held to: what
// each asks, why, and how to mend a breach. All steps report by it: a place in the source
// goes in, a diagnostic comes out.
package rule

import (
	"fmt"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// A Rule is one thing that the generator insists on, or warns of.
type Rule struct {
	ID       string
	Severity diag.Severity
	What     string // what is asked
	Why      string // what happens otherwise
	Fix      string // how to mend a breach, where the breach itself has no better advice
	// Depends says that it depends on the run whether a breach is found, and whether it
	// is an error or a warning: on the other packages, or on the system.
	Depends bool
}

// Rules returns all rules in the order of the reference. Nobody may change
// them.
func Rules() []*Rule { return rules }

// Find returns the rule with an ID, and false when there is none.
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

// depends marks a rule that sees more than the package.
func depends(r *Rule) *Rule {
	r.Depends = true
	return r
}

// Allowable says whether //taskgen:allow may silence the rule: warnings it may,
// but for the one about such a directive itself.
func (r *Rule) Allowable() bool { return (r.Severity == diag.Warning || r.Depends) && r != AllowUnused }

// At reports a breach of the rule. An empty fix stands for the rule's own.
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
