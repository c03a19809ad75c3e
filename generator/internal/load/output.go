package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// CheckOutput type-checks a generated file, including bodies, together with the
// handwritten files of its package, before it is written. pkgPath is the import path of
// a package of p, filename the future path of the file, for positions in the error; no
// file needs to exist there. The error is an [*OutputError] that lists all errors in
// the file, or says why it cannot be checked. Errors in handwritten files are ignored.
// CheckOutput may be called for several packages concurrently.
func (p *Program) CheckOutput(ctx context.Context, pkgPath, filename string, src []byte) error {
	pkg := p.Package(pkgPath)
	if pkg == nil {
		return fmt.Errorf("taskgen: package %s is not loaded", pkgPath)
	}
	file, err := parser.ParseFile(p.Fset, filename, src, parser.SkipObjectResolution|parser.AllErrors)
	if err != nil {
		return parseError(filename, err)
	}
	u := newUnit(pkg.unit.meta, pkg.Files)
	if err := p.resolve(ctx, u, file); err != nil {
		return err
	}
	out := u.add(file)
	r := newReach(p)
	r.keepWhole(u, out)
	r.close()
	c := newChecker(p, r)
	errs := append(c.check(u).errs, clashes(p.Fset, out, pkg)...)
	bad := outputError(filename, errs, p.missing(u, file))
	if bad == nil {
		return nil
	}
	collector := newErrorCollector(c)
	for _, d := range file.Decls {
		collector.collect(u, out, d)
	}
	bad.Handwritten = slices.DeleteFunc(collector.errs, func(e types.Error) bool { return file.FileStart <= e.Pos && e.Pos < file.FileEnd })
	return bad
}

// clashes are imports of a generated file under names that handwritten files declare.
// go/types would report them where the name is declared, if the file reached that
// declaration.
func clashes(fset *token.FileSet, out *source, pkg *Package) []types.Error {
	var errs []types.Error
	for name, im := range out.imports {
		if _, ok := pkg.Declared(name); ok {
			errs = append(errs, types.Error{Fset: fset, Pos: im.spec.Pos(), Msg: name + " is declared by the package already"})
		}
	}
	return errs
}

// missing lists the imports of a generated file that the go command does not find, by
// path, with its message.
func (p *Program) missing(u *unit, file *ast.File) map[string]string {
	found := make(map[string]string)
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil || path == "unsafe" {
			continue
		}
		if m := u.imported(path); m != nil && len(m.GoFiles) == 0 {
			found[path] = listError(m)
		}
	}
	return found
}

// resolve finds the packages that a generated file imports and its package does not.
// Most are known from elsewhere in the program. The first time that a package is
// generated, go list finds the rest.
func (p *Program) resolve(ctx context.Context, u *unit, file *ast.File) error {
	var missing []string
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err == nil && path != "unsafe" && u.imported(path) == nil && !p.borrow(u, path) {
			missing = append(missing, path)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := p.list(ctx, missing...); err != nil {
		return err
	}
	for _, path := range missing {
		p.borrow(u, path)
	}
	return nil
}

// borrow gives a unit a package that is known from elsewhere.
func (p *Program) borrow(u *unit, path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.paths[path]
	if ok {
		u.extra[path] = m
	}
	return ok
}

// OutputError is a generated file that does not compile: a bug of the generator, if the
// module has the file's imports.
type OutputError struct {
	Filename string
	Problems []string // "line:column: message", in the order of the file
	// Missing are the imports that the go command does not find, by path, with its
	// message: the module lacks them, and the generator may not be at fault.
	Missing map[string]string
	// Handwritten are errors in the declarations of types that the file needs: the
	// generator may not be at fault.
	Handwritten []types.Error
}

// Error lists all problems, one on a line.
func (e *OutputError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:%s", e.Filename, p)
	}
	return b.String()
}

func parseError(filename string, err error) error {
	var list scanner.ErrorList
	if !errors.As(err, &list) {
		return err
	}
	out := &OutputError{Filename: filename}
	for _, e := range list {
		out.Problems = append(out.Problems, fmt.Sprintf("%d:%d: %s", e.Pos.Line, e.Pos.Column, e.Msg))
	}
	return out
}

func outputError(filename string, errs []types.Error, missing map[string]string) *OutputError {
	out := &OutputError{Filename: filename, Missing: missing}
	slices.SortStableFunc(errs, func(a, b types.Error) int { return cmp.Compare(a.Pos, b.Pos) })
	for _, e := range errs {
		pos := e.Fset.PositionFor(e.Pos, false)
		if filepath.Clean(pos.Filename) == filepath.Clean(filename) {
			out.Problems = append(out.Problems, fmt.Sprintf("%d:%d: %s", pos.Line, pos.Column, e.Msg))
		}
	}
	if len(out.Problems) == 0 {
		return nil
	}
	return out
}
