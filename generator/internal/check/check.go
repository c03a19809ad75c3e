// Package check is the step after analyze: it checks the models of packages against the
// rules that need no syntax and no types, each package by itself and all together. Models
// go in; the models for which code is generated come out, with all diagnostics except the
// warnings that the packages allow.
package check

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/analyze"
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// Result is what Run found.
type Result struct {
	// Packages are those with directives, sorted by path. They are complete unless
	// Diagnostics contains errors.
	Packages []model.Package
	// Programs are the programs that they come from, by their paths.
	Programs map[string]*load.Program
	// Diagnostics is everything there is to say, sorted and without repeats.
	Diagnostics []diag.Diagnostic
	// Generated are the generated files that are there, as in [analyze.Result].
	Generated []string
}

// Gone are the folders of generated files whose packages have no directives any more.
func (r *Result) Gone() []string {
	var dirs []string
	for _, path := range r.Generated {
		dir := filepath.Dir(path)
		if !slices.Contains(dirs, dir) && !slices.ContainsFunc(r.Packages, func(p model.Package) bool { return p.Dir == dir }) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// Run analyzes the packages of a listing and checks them. An error means that they could
// not be analyzed.
func Run(ctx context.Context, l *load.Listing) (*Result, error) {
	analyzed, err := analyze.Packages(ctx, l)
	if err != nil {
		return nil, err
	}
	out := &Result{Programs: make(map[string]*load.Program), Generated: analyzed.Generated}
	for _, p := range analyzed.Packages {
		p.Diagnostics = append(p.Diagnostics, onePackage(&p.Model)...)
		if len(p.Model.Tasks)+len(p.Model.Queues) > 0 && !p.Left {
			out.Packages = append(out.Packages, p.Model)
			out.Programs[p.Model.Path] = p.Program
		}
	}
	between := slices.Concat(owners(out.Packages), allPackages(out.Packages, analyzed.Program.Linked), outputs(out.Packages), copies(analyzed.Program))
	for _, p := range analyzed.Packages {
		between = slices.DeleteFunc(between, func(d diag.Diagnostic) bool {
			here := filepath.Dir(d.Pos.File) == p.Model.Dir
			if here {
				p.Diagnostics = append(p.Diagnostics, d)
			}
			return here
		})
		out.Diagnostics = append(out.Diagnostics, allow(p.Allows, p.Diagnostics)...)
	}
	out.Diagnostics = diag.Sort(append(out.Diagnostics, between...))
	return out, nil
}

// copies reports handwritten files with the header of a generated one.
func copies(prog *load.Program) []diag.Diagnostic {
	var diags []diag.Diagnostic
	for _, path := range prog.Copies {
		at := model.Span{Pos: model.Pos{File: path, Line: 1, Column: 1}}
		diags = append(diags, rule.FileHeader.At(at, "", "%s begins like a generated file, but taskgen did not write it", filepath.Base(path)))
	}
	return diags
}
