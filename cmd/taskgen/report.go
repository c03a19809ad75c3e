package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/taskgen/taskgen/generator"
	"github.com/taskgen/taskgen/generator/diag"
	"github.com/taskgen/taskgen/generator/model"
	"github.com/taskgen/taskgen/generator/output"
)

// A report is what a run has to say: diagnostics, and what differs or differed
// from the disk.
type report struct {
	options
	dir             string // paths are shown relative to it
	result          *generator.Result
	packages, tasks int // how many there are
	changes         []output.Change
	stdout, stderr  io.Writer
}

func (r *report) print() error {
	switch r.format {
	case "json":
		return r.json()
	case "github":
		return r.github()
	}
	return r.text()
}

// nothing says that there was nothing to check.
func (r *report) nothing() error {
	err := fmt.Errorf("taskgen: no package with tasks matches %s, so nothing was checked: taskgen -check ./... checks all packages below the current directory, and what stands behind build tags with -tags", strings.Join(r.patterns, " "))
	if r.format == "github" {
		return errors.Join(diag.GitHubNote(r.stdout, diag.Error, err.Error()), err)
	}
	if r.format == "json" {
		r.result.Notes = append(r.result.Notes, err.Error())
	}
	return errors.Join(r.print(), err)
}

func (r *report) name(path string) string { return shorten(r.dir, path) }

// text is for people: diagnostics go to stderr, what became of files to stdout.
func (r *report) text() error {
	if err := diag.Text(r.stderr, r.result.Diagnostics, r.dir); err != nil {
		return err
	}
	if diag.HasErrors(r.result.Diagnostics) {
		return nil
	}
	for _, note := range r.result.Notes {
		fmt.Fprintf(r.stderr, "note: %s\n", note)
	}
	if r.diff {
		return output.Diff(r.stdout, r.changes, r.name)
	}
	for _, c := range r.changes {
		switch {
		case r.check:
			fmt.Fprintf(r.stdout, "%s is %s\n", r.name(c.Path), states[c.Kind()])
		case r.quiet:
		case c.New == nil:
			fmt.Fprintf(r.stdout, "removed %s: its package has no tasks any more\n", r.name(c.Path))
		default:
			fmt.Fprintf(r.stdout, "wrote %s\n", r.name(c.Path))
		}
	}
	switch {
	case r.quiet:
	case r.check && len(r.changes) > 0:
		fmt.Fprintf(r.stderr, "run taskgen %s to bring %s up to date\n", strings.Join(r.patterns, " "), plural(len(r.changes), "file"))
	case r.packages == 0 && (r.check || r.diff): // nothing says so
	case r.packages == 0:
		fmt.Fprintln(r.stderr, "there is no struct marked //taskgen:task here: taskgen ./... looks in all packages below, too")
	case len(r.changes) == 0:
		fmt.Fprintf(r.stdout, "%s of %s: up to date\n", plural(r.tasks, "task"), plural(r.packages, "package"))
	}
	return nil
}

var states = map[string]string{
	output.Missing: "missing", output.Stale: "stale", output.Orphan: "an orphan: its package has no tasks any more",
}

// json is one object on stdout, with paths as people are shown them.
func (r *report) json() error {
	type change struct {
		Path string `json:"path"`
		Kind string `json:"kind"`
		Diff string `json:"diff,omitempty"`
	}
	doc := struct {
		Diagnostics []diag.Diagnostic `json:"diagnostics"`
		Notes       []string          `json:"notes,omitempty"`
		Changes     []change          `json:"changes"`
	}{[]diag.Diagnostic{}, r.result.Notes, []change{}}
	for _, d := range r.result.Diagnostics {
		d.Pos.File = r.name(d.Pos.File)
		if d.Related != nil {
			related := *d.Related
			related.Pos.File = r.name(related.Pos.File)
			d.Related = &related
		}
		doc.Diagnostics = append(doc.Diagnostics, d)
	}
	for _, c := range r.changes {
		shown := change{Path: r.name(c.Path), Kind: c.Kind()}
		if r.diff {
			var b bytes.Buffer
			if err := output.Diff(&b, []output.Change{c}, r.name); err != nil {
				return err
			}
			shown.Diff = b.String()
		}
		doc.Changes = append(doc.Changes, shown)
	}
	enc := json.NewEncoder(r.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// github is workflow commands, which GitHub Actions shows beside the code. What is
// out of date is an error there: it fails the check.
func (r *report) github() error {
	ds := r.result.Diagnostics
	if r.check || r.diff {
		for _, c := range r.changes {
			ds = append(ds, diag.Diagnostic{
				Rule: "OUT_OF_DATE", Severity: diag.Error, Pos: model.Pos{File: c.Path, Line: 1, Column: 1},
				Message: "the file is " + states[c.Kind()], Fix: "run taskgen",
			})
		}
	}
	for _, note := range r.result.Notes {
		if err := diag.GitHubNote(r.stdout, diag.Warning, note); err != nil {
			return err
		}
	}
	return diag.GitHub(r.stdout, ds, r.dir)
}
