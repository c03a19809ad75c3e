package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/taskgen/taskgen/generator"
)

// A report is what a run has to say: diagnostics, and what differs or differed
// from the disk.
type report struct {
	options
	dir            string // paths are shown relative to it
	result         *generator.Result
	changes        []generator.Change
	stdout, stderr io.Writer
}

func (r *report) tasks() int {
	n := 0
	for _, p := range r.result.Packages {
		n += len(p.Tasks)
	}
	return n
}

func (r *report) print() error {
	switch r.format {
	case "json":
		return r.json()
	case "github":
		return r.github()
	case "sarif":
		return generator.WriteDiagnostics(r.stdout, r.format, r.findings(), r.dir)
	}
	return r.text()
}

// nothing says that there was nothing to check.
func (r *report) nothing() error {
	err := fmt.Errorf("taskgen: no package with tasks matches %s, so nothing was checked: taskgen -check ./... checks all packages below the current directory, and files behind build tags with -tags", strings.Join(r.patterns, " "))
	if r.format == "github" || r.format == "sarif" {
		return errors.Join(generator.WriteDiagnostics(r.stdout, r.format, []generator.Diagnostic{{Severity: generator.Error, Message: err.Error()}}, r.dir), err)
	}
	if r.format == "json" {
		r.result.Notes = append(r.result.Notes, err.Error())
	}
	return errors.Join(r.print(), err)
}

func (r *report) name(path string) string { return shorten(r.dir, path) }

// text is for people: diagnostics go to stderr, what became of files to stdout.
func (r *report) text() error {
	if err := generator.WriteDiagnostics(r.stderr, "text", r.result.Diagnostics, r.dir); err != nil {
		return err
	}
	if r.result.HasErrors() {
		return nil
	}
	for _, note := range r.result.Notes {
		fmt.Fprintf(r.stderr, "note: %s\n", note)
	}
	if r.diff {
		for _, c := range r.changes {
			if _, err := r.stdout.Write(c.Diff(r.name(c.Path))); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range r.changes {
		switch {
		case r.check:
			fmt.Fprintf(r.stdout, "%s is %s\n", r.name(c.Path), state(c))
		case r.quiet:
		case c.New == nil:
			fmt.Fprintf(r.stdout, "removed %s: %s\n", r.name(c.Path), unneeded(c))
		default:
			fmt.Fprintf(r.stdout, "wrote %s\n", r.name(c.Path))
		}
	}
	switch {
	case r.quiet:
	case r.check && len(r.changes) > 0:
		fmt.Fprintf(r.stderr, "run taskgen %s to bring %s up to date\n", r.arguments(), plural(len(r.changes), "file"))
	case len(r.result.Packages) == 0 && (r.check || r.diff): // no line reports it
	case len(r.result.Packages) == 0:
		fmt.Fprintln(r.stderr, "there is no struct marked //taskgen:task here: taskgen ./... also checks all packages below")
	case len(r.changes) == 0:
		fmt.Fprintf(r.stdout, "%s of %s: up to date\n", plural(r.tasks(), "task"), plural(len(r.result.Packages), "package"))
	}
	return nil
}

// arguments are those of a run that writes what this one checks.
func (r *report) arguments() string {
	args := strings.Join(r.patterns, " ")
	if r.catalog != "" {
		args = "-catalog " + r.catalog + " " + args
	}
	return args
}

// state is what is wrong with a file, as people read it.
func state(c generator.Change) string {
	if c.New == nil {
		return "an orphan: " + unneeded(c)
	}
	return c.Kind()
}

// unneeded is why an orphan goes.
func unneeded(c generator.Change) string {
	if filepath.Ext(c.Path) == ".go" {
		return "its package no longer has tasks"
	}
	return "its package no longer asks for it"
}

// json is one object on stdout, with paths as people are shown them.
func (r *report) json() error {
	type change struct {
		Path string `json:"path"`
		Kind string `json:"kind"`
		Diff string `json:"diff,omitempty"`
	}
	doc := struct {
		Diagnostics []generator.Diagnostic `json:"diagnostics"`
		Notes       []string               `json:"notes,omitempty"`
		Changes     []change               `json:"changes"`
	}{[]generator.Diagnostic{}, r.result.Notes, []change{}}
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
			shown.Diff = string(c.Diff(shown.Path))
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
	var notes []generator.Diagnostic
	for _, note := range r.result.Notes {
		notes = append(notes, generator.Diagnostic{Severity: generator.Warning, Message: note})
	}
	return generator.WriteDiagnostics(r.stdout, r.format, append(notes, r.findings()...), r.dir)
}

// findings are the diagnostics, and for a check each file that is out of date.
func (r *report) findings() []generator.Diagnostic {
	ds := r.result.Diagnostics
	if r.check || r.diff {
		for _, c := range r.changes {
			d := generator.Diagnostic{Rule: "OUT_OF_DATE", Severity: generator.Error, Message: "the file is " + state(c), Fix: "run taskgen"}
			d.Pos.File, d.Pos.Line, d.Pos.Column = c.Path, 1, 1
			ds = append(ds, d)
		}
	}
	return ds
}
