package analyze

import (
	"context"
	"fmt"
	"go/ast"
	"os"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/platform"
)

// elsewhere loads packages none of whose tasks is built here for a system, or with
// tags, where all of them are, and returns the program of each package by its path. A
// run therefore has the same result on every machine. A package that cannot be loaded
// that way is missing.
func elsewhere(ctx context.Context, cfg load.Query, prog *load.Program) (map[string]*load.Program, error) {
	here := platform.Here(cfg.Env, cfg.Tags)
	targets := make(map[string]platform.Target)
	packages := make(map[string][]string)
	for _, pkg := range prog.Packages {
		if to, ok := targetOf(here, prog, pkg); ok {
			key := fmt.Sprint(to)
			targets[key] = to
			packages[key] = append(packages[key], pkg.Path)
		}
	}
	found := make(map[string]*load.Program)
	for key, to := range targets {
		env := cfg.Env
		if env == nil {
			env = os.Environ()
		}
		there, err := load.Load(ctx, load.Query{
			Dir: cfg.Dir, Trace: cfg.Trace, Patterns: packages[key], Tags: strings.Join(to.Tags, ","), Env: slices.Concat(env, to.Env(here)),
		})
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil: // a platform that this toolchain does not know, say
			continue
		}
		for _, pkg := range there.Packages {
			if len(annotated(there, pkg.Files)) > 0 {
				found[pkg.Path] = there
			}
		}
	}
	return found, nil
}

// targetOf returns where all tasks of a package are built, if none is here.
func targetOf(here platform.Target, prog *load.Program, pkg *load.Package) (platform.Target, bool) {
	if len(pkg.Excluded) == 0 || len(annotated(prog, pkg.Files)) > 0 {
		return platform.Target{}, false
	}
	var first *load.File
	for _, f := range pkg.Excluded {
		if f.Syntax == nil || len(annotated(prog, []*load.File{f})) == 0 {
			continue
		}
		if why, _ := never(f); why != "" {
			continue
		}
		if first == nil {
			first = f
		}
		if !platform.Same(f.Build, first.Build) {
			return platform.Target{}, false
		}
	}
	if first == nil {
		return platform.Target{}, false
	}
	return here.Elsewhere(first.Build)
}

// annotated are the annotated types in files.
func annotated(prog *load.Program, files []*load.File) []*directive.Type {
	var syntax []*ast.File
	for _, f := range files {
		if f.Mentioned && f.Syntax != nil {
			syntax = append(syntax, f.Syntax)
		}
	}
	found, _ := directive.Scan(prog.Fset, syntax)
	return found.Types
}
