package generator

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

	"github.com/taskgen/taskgen/generator/diag"
	"github.com/taskgen/taskgen/generator/emit/gosrc"
	"github.com/taskgen/taskgen/generator/load"
	"github.com/taskgen/taskgen/generator/model"
)

// Result is what a run of the generator comes to.
type Result struct {
	// Files are the generated files by absolute path. A file whose content is
	// nil is a generated file that has no tasks any more, and should not be
	// there. With errors among the diagnostics there are no files at all.
	Files map[string][]byte
	// Packages are those with directives, sorted by path.
	Packages    []model.Package
	Diagnostics []diag.Diagnostic
	// Notes are remarks that belong to no place in the source, sorted.
	Notes []string
}

// Generate reads packages and returns the files that belong to them. It writes
// nothing. What is wrong with the packages is in the diagnostics; an error means
// that nothing can be said, or that the generated code does not compile, which
// is a fault of the generator. The same packages give the same result.
func Generate(ctx context.Context, cfg Config) (*Result, error) {
	l, err := Find(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return l.Generate(ctx)
}

// Generate is the rest of the function Generate. It may be called once.
func (l *Listing) Generate(ctx context.Context) (*Result, error) {
	loaded, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{Packages: loaded.Packages, Diagnostics: loaded.Diagnostics}
	if diag.HasErrors(r.Diagnostics) {
		return r, nil
	}
	r.Files = make(map[string][]byte, len(r.Packages))
	for _, path := range loaded.Generated {
		r.Files[path] = nil
	}
	var (
		mu sync.Mutex // guards r
		g  errgroup.Group
	)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range r.Packages {
		pkg := &r.Packages[i]
		g.Go(func() error {
			path := filepath.Join(pkg.Dir, model.FileName(pkg.Name))
			src, note, err := write(ctx, loaded, pkg, path)
			mu.Lock()
			defer mu.Unlock()
			var output *load.OutputError
			if errors.As(err, &output) && len(output.Handwritten) > 0 {
				r.Diagnostics = append(r.Diagnostics, handwritten(pkg, output.Handwritten)...)
				return nil
			}
			r.Files[path] = src
			if note != "" {
				r.Notes = append(r.Notes, note)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if r.Diagnostics = diag.Sort(r.Diagnostics); diag.HasErrors(r.Diagnostics) {
		r.Files = nil
	}
	slices.Sort(r.Notes)
	return r, nil
}

// write returns the generated file of a package, formatted and type-checked. Where
// the module does not have the runtime yet nothing can be checked, and a note says
// so: it is the generated file that will make go get and go mod vendor find the
// runtime.
func write(ctx context.Context, loaded *Loaded, pkg *model.Package, path string) (src []byte, note string, err error) {
	src, compiles, err := source(ctx, loaded.programs[pkg.Path], pkg, path)
	if err != nil {
		return nil, "", bug(pkg, err)
	}
	if compiles {
		return src, "", nil
	}
	wrong := loaded.CheckOutput(ctx, pkg.Path, path, src)
	var output *load.OutputError
	if errors.As(wrong, &output) {
		if strings.Contains(wrong.Error(), gosrc.VersionGuard) {
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

func unchecked(pkg *model.Package, missing, reason string) string {
	reason, _, _ = strings.Cut(reason, "\n")
	return fmt.Sprintf("the code for package %s could not be checked, because the module does not have %s yet (%s): run go get github.com/taskgen/taskgen, or go mod vendor if there is a vendor folder",
		pkg.Path, missing, strings.TrimSuffix(reason, "; to add it:"))
}

func bug(pkg *model.Package, err error) error {
	return fmt.Errorf("taskgen has a bug: the code for package %s does not compile, and nothing is written. Please report it with this text and the structs:\n%w", pkg.Path, err)
}
