// Package diag has the diagnostics of the generator about source files, and writes them
// for people and for GitHub Actions. All steps report with it: diagnostics go in, text
// comes out.
package diag

import (
	"cmp"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// Severity of a diagnostic.
type Severity string

// The severities. Nothing is written when there is an Error.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// A Diagnostic is one finding, with its position and how to fix it.
type Diagnostic struct {
	Rule     string    `json:"rule"` // id of the rule: TASK_UNKNOWN_KEY
	Severity Severity  `json:"severity"`
	Pos      model.Pos `json:"pos"`
	End      int       `json:"end,omitempty"` // column behind the last byte, on the same line; 0: unknown
	Message  string    `json:"message"`
	Fix      string    `json:"fix,omitempty"`
	// Related is a second position that the message mentions, such as the first of two
	// declarations.
	Related *Related `json:"related,omitempty"`
}

// Related is a second position and its note.
type Related struct {
	Pos  model.Pos `json:"pos"`
	Note string    `json:"note"`
}

// Sort orders diagnostics by file, line, column and rule, and drops repeats.
func Sort(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message),
			cmp.Compare(a.related().Pos.File, b.related().Pos.File), cmp.Compare(a.related().Pos.Line, b.related().Pos.Line))
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.Pos == b.Pos && a.Rule == b.Rule && a.Message == b.Message && a.related() == b.related()
	})
}

func (d *Diagnostic) related() Related {
	if d.Related == nil {
		return Related{}
	}
	return *d.Related
}

// HasErrors reports whether any diagnostic is an Error.
func HasErrors(ds []Diagnostic) bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}
