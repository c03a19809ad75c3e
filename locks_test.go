package taskgen_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

// syntaxOf loads packages of the module without their tests, with types.
func syntaxOf(t *testing.T, dirs ...string) []*packages.Package {
	t.Helper()
	pkgs, err := packages.Load(&packages.Config{Mode: packages.LoadSyntax}, dirs...)
	require.NoError(t, err)
	require.Len(t, pkgs, len(dirs))
	for _, pkg := range pkgs {
		require.Empty(t, pkg.Errors)
	}
	return pkgs
}

// eachFunc calls f with each function of a package, and the name of its file.
func eachFunc(pkg *packages.Package, f func(file string, fn *ast.FuncDecl)) {
	for _, file := range pkg.Syntax {
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				f(filepath.Base(pkg.Fset.Position(file.Pos()).Filename), fn)
			}
		}
	}
}

// callee is the name of the function or method that a call calls.
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// eachCall calls f with the calls in a body, except those in function literals. With
// these, and the call that they are arguments of, it calls inner.
func eachCall(body *ast.BlockStmt, f func(*ast.CallExpr), inner func(lit *ast.FuncLit, of string)) {
	args := make(map[*ast.FuncLit]string)
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			inner(n, args[n])
			return false
		case *ast.CallExpr:
			for _, arg := range n.Args {
				if lit, ok := arg.(*ast.FuncLit); ok {
					args[lit] = callee(n)
				}
			}
			f(n)
		}
		return true
	})
}

// locks reports whether a body locks something, except in function literals.
func locks(body *ast.BlockStmt) (yes bool) {
	eachCall(body, func(call *ast.CallExpr) {
		yes = yes || slices.Contains([]string{"Lock", "TryLock"}, callee(call))
	}, func(*ast.FuncLit, string) {})
	return yes
}

// unlocked returns the functions named Locked that a body calls without the lock.
func unlocked(body *ast.BlockStmt, held bool) (names []string) {
	held = held || locks(body)
	eachCall(body, func(call *ast.CallExpr) {
		if name := callee(call); !held && strings.HasSuffix(name, "Locked") {
			names = append(names, name)
		}
	}, func(lit *ast.FuncLit, of string) {
		// Router.register locks for its argument.
		names = append(names, unlocked(lit.Body, held || of == "register")...)
	})
	return names
}

// A function whose name ends with Locked is called with the lock held: by another such
// function, or by one that locks. It does not lock itself.
func TestWhoCallsAFunctionNamedLockedHoldsTheLock(t *testing.T) {
	found := 0
	for _, pkg := range syntaxOf(t, "./runtime", "./runtime/internal/pool") {
		eachFunc(pkg, func(file string, fn *ast.FuncDecl) {
			name := fn.Name.Name
			held := strings.HasSuffix(name, "Locked")
			if held {
				found++
				assert.False(t, locks(fn.Body), "%s: %s locks, and its name says that its caller has", file, name)
			}
			// New has a pool that nobody else has yet.
			assert.Empty(t, unlocked(fn.Body, held || name == "New"), "%s: %s calls these, and neither locks nor says by its name that its caller has", file, name)
		})
	}
	assert.Greater(t, found, 80)
}

// poolParts are the types of a pool whose fields are their own business.
var poolParts = []string{
	"monitor", "busyWorkers", "limiter", "pace", "fetcher", "acker", "leaseExtender", "drain",
	"receives", "suspects", "suspectFilter", "crashCheck", "chooser", "turn", "lists", "excuses", "recall", "throttle",
}

func TestThePartsOfAPoolDoNotTouchEachOthersFields(t *testing.T) {
	pkg := syntaxOf(t, "./runtime/internal/pool")[0]
	fields := fieldsOf(t, pkg, poolParts...)
	eachFunc(pkg, func(file string, fn *ast.FuncDecl) {
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			owner, ok := fields[used(pkg, sel.Sel)]
			if !ok || has(pkg, fn, owner.name) {
				return true
			}
			assert.Equal(t, owner.file, file, "%s: %s is a field of %s, which has no method for it", pkg.Fset.Position(sel.Pos()), sel.Sel.Name, owner.name)
			return true
		})
	})
}

func TestOnlyOneFileChangesTheItemsOfAPool(t *testing.T) {
	pkg := syntaxOf(t, "./runtime/internal/pool")[0]
	fields := fieldsOf(t, pkg, "item", "batch", "lists")
	found := 0
	eachFunc(pkg, func(file string, fn *ast.FuncDecl) {
		for _, target := range changed(fn) {
			for _, sel := range selectors(target) { // it.d.Delay is a change of it, too
				if owner, ok := fields[used(pkg, sel)]; ok {
					found++
					assert.Equal(t, "item.go", file, "%s: %s of %s is changed", pkg.Fset.Position(sel.Pos()), sel.Name, owner.name)
				}
			}
		}
	})
	assert.Greater(t, found, 30)
}

// changed are the expressions that fn assigns to.
func changed(fn *ast.FuncDecl) (targets []ast.Expr) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				targets = append(targets, n.Lhs...)
			}
		case *ast.IncDecStmt:
			targets = append(targets, n.X)
		}
		return true
	})
	return targets
}

// selectors are the fields on the way to an expression that can be assigned to.
func selectors(e ast.Expr) []*ast.Ident {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return append(selectors(e.X), e.Sel)
	case *ast.IndexExpr:
		return selectors(e.X)
	case *ast.StarExpr:
		return selectors(e.X)
	case *ast.ParenExpr:
		return selectors(e.X)
	}
	return nil
}

// used is the field that an identifier means; nil if it means anything else.
func used(pkg *packages.Package, id *ast.Ident) types.Object {
	if v, ok := pkg.TypesInfo.Uses[id].(*types.Var); ok {
		return v.Origin()
	}
	return nil
}

// An owner is a struct that has a field, and the file in which it is declared.
type owner struct{ name, file string }

// fieldsOf maps the fields of structs of a package, except embedded ones, to them.
func fieldsOf(t *testing.T, pkg *packages.Package, names ...string) map[types.Object]owner {
	t.Helper()
	fields := make(map[types.Object]owner)
	for _, name := range names {
		obj := pkg.Types.Scope().Lookup(name)
		require.NotNil(t, obj, "there is no type %s", name)
		s, ok := obj.Type().Underlying().(*types.Struct)
		require.True(t, ok, "%s is no struct", name)
		for i := range s.NumFields() {
			if f := s.Field(i); !f.Embedded() {
				fields[f] = owner{name, filepath.Base(pkg.Fset.Position(obj.Pos()).Filename)}
			}
		}
	}
	return fields
}

// has reports whether fn is a method of the struct, or of one that embeds it.
func has(pkg *packages.Package, fn *ast.FuncDecl, name string) bool {
	if fn.Recv == nil {
		return false
	}
	recv := pkg.TypesInfo.TypeOf(fn.Recv.List[0].Type)
	if p, ok := recv.(*types.Pointer); ok {
		recv = p.Elem()
	}
	named, ok := recv.(*types.Named)
	if !ok || named.Obj().Name() == name {
		return ok
	}
	s, ok := named.Underlying().(*types.Struct)
	return ok && slices.ContainsFunc(slices.Collect(s.Fields()), func(f *types.Var) bool { return f.Embedded() && f.Name() == name })
}
