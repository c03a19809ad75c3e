package generator

import (
	"io"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/output"
)

// A Diagnostic is one finding, with its place and how to mend it.
type Diagnostic = diag.Diagnostic

// The severities of a diagnostic. Nothing is written when there is an Error.
const (
	Error   = diag.Error
	Warning = diag.Warning
)

// WriteText writes diagnostics for people, with the lines that they are about. Paths
// below base are shown relative to it.
func WriteText(w io.Writer, ds []Diagnostic, base string) error { return diag.Text(w, ds, base) }

// WriteGitHub writes diagnostics as workflow commands of GitHub Actions. Paths below
// base, which should be the root of the repository, are relative to it. One without a
// file is a remark on the run.
func WriteGitHub(w io.Writer, ds []Diagnostic, base string) error { return diag.GitHub(w, ds, base) }

// NewWriter returns a writer for output in one of the formats text, json and github. It
// passes on nothing that a terminal, a log or a CI system would obey: names of files,
// source text and the words of other programs come from anybody.
func NewWriter(w io.Writer, format string) *diag.Writer { return diag.NewWriter(w, format) }

// Visible is a text on one line in which everything shows: control characters and the
// like are escaped.
func Visible(s string) string { return diag.Visible(s) }

// A Change is a generated file that is not as it should be.
type Change = output.Change

// Write brings the disk up to date. No file is touched before the content of all is on
// the disk, and each is replaced in one step.
func Write(changes []Change) error { return output.Write(changes) }

// Explain returns the reference, or the part of it that is about a topic: a directive, a
// key, a tag or a rule. It is an error if there is no such topic.
func Explain(topic string) (string, error) { return directive.Explain(topic) }
