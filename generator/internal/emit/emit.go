// Package emit is the step after check: it writes the generated files of packages in
// memory, and checks that they compile. Models and their programs go in, the texts of
// files come out.
package emit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/generator/internal/analyze"
	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/emit/gosrc"
	"github.com/taskgen/taskgen/generator/internal/emit/outputs"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// Result is what Files wrote.
type Result struct {
	// Files are the generated files by absolute path. Nil is a file that should not
	// exist.
	Files map[string][]byte
	// Roots are the folders that outputs stay in, by their paths.
	Roots map[string]string
	// Diagnostics are the errors in handwritten code that are left with the files beside it.
	Diagnostics []diag.Diagnostic
	Notes       []string // sorted
}

// Files writes the generated files of packages without errors. An error means that one of
// them does not compile, or cannot.
func Files(ctx context.Context, checked *check.Result) (*Result, error) {
	r := &Result{Files: make(map[string][]byte, len(checked.Packages)), Roots: make(map[string]string)}
	for _, path := range checked.Generated {
		r.Files[path] = nil
	}
	var (
		mu sync.Mutex // guards r
		g  errgroup.Group
	)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range checked.Packages {
		pkg := &checked.Packages[i]
		g.Go(func() error {
			path := filepath.Join(pkg.Dir, model.FileName(pkg.Name))
			src, note, err := write(ctx, checked, pkg, path)
			others := outputs.Of(pkg)
			mu.Lock()
			defer mu.Unlock()
			var output *load.OutputError
			if errors.As(err, &output) && len(output.Handwritten) > 0 {
				r.Diagnostics = append(r.Diagnostics, analyze.Handwritten(pkg, output.Handwritten)...)
				return nil
			}
			r.Files[path] = src
			for path, src := range others {
				r.Files[path], r.Roots[path] = src, pkg.Root
			}
			if note != "" {
				r.Notes = append(r.Notes, note)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(r.Notes)
	return r, nil
}

// write returns the generated file of a package, formatted and type-checked. If the
// module does not have the runtime yet nothing can be checked, and a note says so: only
// the generated file makes go get and go mod vendor find the runtime.
func write(ctx context.Context, checked *check.Result, pkg *model.Package, path string) (src []byte, note string, err error) {
	src, compiles, err := source(ctx, checked.Programs[pkg.Path], pkg, path)
	if err != nil {
		return nil, "", bug(pkg, err)
	}
	if compiles {
		return src, "", nil
	}
	wrong := checked.Programs[pkg.Path].CheckOutput(ctx, pkg.Path, path, src)
	var output *load.OutputError
	if errors.As(wrong, &output) {
		if strings.Contains(wrong.Error(), gosrc.VersionGuard) || lacksGuard(output.Missing) {
			return nil, "", fmt.Errorf("taskgen: the module of package %s uses a version of github.com/taskgen/taskgen that is older than this taskgen: go get github.com/taskgen/taskgen@latest, or run the one that belongs to it with go tool taskgen", pkg.Path)
		}
		for _, path := range [...]string{gosrc.RuntimePath, gosrc.SchedulePath} {
			if reason, ok := output.Missing[path]; ok {
				return src, unchecked(pkg, path, reason), nil
			}
		}
		return nil, "", bug(pkg, wrong)
	}
	return src, "", wrong
}

// lacksGuard reports whether the module has a runtime that is older than the package of
// the guard: a newer one imports that package.
func lacksGuard(missing map[string]string) bool {
	_, noRuntime := missing[gosrc.RuntimePath]
	_, noGuard := missing[gosrc.GeneratedPath]
	return noGuard && !noRuntime
}

func unchecked(pkg *model.Package, missing, reason string) string {
	reason, _, _ = strings.Cut(reason, "\n")
	return fmt.Sprintf("the code for package %s could not be checked, because the module does not have %s yet (%s): run go get github.com/taskgen/taskgen, or go mod vendor if there is a vendor folder",
		pkg.Path, missing, strings.TrimSuffix(reason, "; to add it:"))
}

func bug(pkg *model.Package, err error) error {
	return fmt.Errorf("taskgen has a bug: the code for package %s does not compile, and nothing is written. Please report it with this text and the structs:\n%w", pkg.Path, err)
}
