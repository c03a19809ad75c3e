package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/taskgen/taskgen/generator"
	"github.com/taskgen/taskgen/generator/cache"
	"github.com/taskgen/taskgen/generator/diag"
	"github.com/taskgen/taskgen/generator/model"
	"github.com/taskgen/taskgen/generator/output"
)

// generate runs the generator, deals with what differs from the disk as the
// options say, and returns the exit code.
func generate(ctx context.Context, o options, stdout, stderr io.Writer) (int, error) {
	dir, err := os.Getwd()
	if err != nil {
		return exitError, err
	}
	run, err := cache.Open().Generate(ctx, generator.Config{Dir: dir, Patterns: o.patterns, Tags: o.tags})
	if err != nil {
		return exitError, err
	}
	res := run.Result
	rep := report{options: o, dir: dir, result: res, packages: run.Packages, tasks: run.Tasks, stdout: stdout, stderr: stderr}
	if diag.HasErrors(res.Diagnostics) {
		return exitError, rep.print()
	}
	if rep.changes, err = output.Changes(res.Files, model.Header); err != nil {
		return exitError, fmt.Errorf("taskgen: %w", err)
	}
	if (o.check || o.diff) && run.Packages+len(rep.changes) == 0 {
		return exitError, rep.nothing()
	}
	if (o.check || o.diff) && len(rep.changes) > 0 {
		return exitStale, rep.print()
	}
	if !o.check && !o.diff {
		if err := output.Write(rep.changes); err != nil {
			return exitError, fmt.Errorf("taskgen: %w", err)
		}
	}
	run.Remember(rep.changes)
	return exitOK, rep.print()
}

// shorten makes a path relative to dir where it lies below, for people.
func shorten(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// plural is a number with its noun: 1 file, 2 files.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
