package taskgen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unshownPackages are for generated code, and for the authors of providers and stores:
// what these implement, and suites, of which a test calls Run.
var unshownPackages = []string{
	"runtime/generated", "runtime/driver", "runtime/schedule/jobstore", "runtime/fleet/fleetstore", "runtime/history/historystore",
	"runtime/drivertest/boxtest", "runtime/drivertest/taskstoretest", "runtime/drivertest/jobstoretest", "runtime/drivertest/resultstoretest",
	"runtime/drivertest/fleetstoretest", "runtime/drivertest/historystoretest",
}

// unshown are the functions and types without an Example, by the reason.
var unshown = map[string]string{
	"providers, and stores of one's own, implement or call it": `
		schedule.Store schedule.Entry`,
	"it lets packages encrypt and schedule work together with a manager": `
		runtime.Teller`,
	"it is of the suite for providers, which ExampleRun shows": `
		drivertest.Child drivertest.Markdown drivertest.Report drivertest.LawReport drivertest.LeftOut
		drivertest.Status drivertest.Network`,
	"it is for tests of time, which go by memory.WithClock": `
		sqlite.WithClock sqs.WithClock`,
}

// TestWhatUsersNameHasAnExample holds each package that users import to this: every
// function and type that it exports is used by an Example of its own.
func TestWhatUsersNameHasAnExample(t *testing.T) {
	excused := make(map[string]bool)
	for reason, names := range unshown {
		for name := range strings.FieldsSeq(names) {
			require.False(t, excused[name], "%s is excused twice, also because %s", name, reason)
			excused[name] = true
		}
	}
	for _, pkg := range goList(t, "./runtime/...", "./config/...") {
		dir := strings.TrimPrefix(pkg, module+"/")
		if slices.Contains(unshownPackages, dir) || strings.Contains(dir, "/internal/") {
			continue
		}
		s := readSurface(t, dir)
		for _, name := range slices.Sorted(maps.Keys(s.exported)) {
			full := s.name + "." + name
			switch shown := s.shown(name); {
			case excused[full] && shown:
				assert.Fail(t, "an Example uses "+full+": take it off the list")
			case !excused[full] && !shown:
				assert.Fail(t, "no Example in "+dir+" uses "+full)
			}
			delete(excused, full)
		}
	}
	assert.Empty(t, slices.Collect(maps.Keys(excused)), "what is excused is not there")
}

// A surface is what a package exports, and what its Examples use of it.
type surface struct {
	name     string
	exported map[string]bool     // functions and types
	yields   map[string][]string // by function, method, field or constant: its types
	named    map[string]bool     // in Examples, behind the package's name
	selected map[string]bool     // in Examples, behind any dot, or before a colon
}

// shown reports whether Examples name something, or have a value of its type: a type is
// shown by its constants and by what returns it.
func (s *surface) shown(name string) bool {
	if s.named[name] {
		return true
	}
	for from, types := range s.yields {
		if s.selected[from] && slices.Contains(types, name) {
			return true
		}
	}
	return false
}

func readSurface(t *testing.T, dir string) *surface {
	t.Helper()
	s := &surface{
		name: path.Base(dir), exported: make(map[string]bool), yields: make(map[string][]string),
		named: make(map[string]bool), selected: make(map[string]bool),
	}
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dir)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		switch {
		case !strings.HasSuffix(file, "_test.go"):
			s.declared(f)
		case slices.ContainsFunc(f.Decls, isExample):
			s.used(f, module+"/"+dir)
		}
	}
	return s
}

func isExample(d ast.Decl) bool {
	f, ok := d.(*ast.FuncDecl)
	return ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example")
}

// declared notes what a file of the package exports.
func (s *surface) declared(f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				s.exported[d.Name.Name] = true
			}
			s.results(d.Name.Name, d.Type.Results)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				s.specified(spec)
			}
		}
	}
}

func (s *surface) specified(spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() {
			s.exported[spec.Name.Name] = true
			s.members(spec.Type)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			s.yield(name.Name, spec.Type)
		}
	}
}

// members notes what the fields of a struct and the methods of an interface lead to.
func (s *surface) members(typ ast.Expr) {
	switch typ := typ.(type) {
	case *ast.StructType:
		for _, field := range typ.Fields.List {
			for _, name := range field.Names {
				s.yield(name.Name, field.Type)
			}
		}
	case *ast.InterfaceType:
		for _, method := range typ.Methods.List {
			if f, ok := method.Type.(*ast.FuncType); ok {
				s.results(method.Names[0].Name, f.Results)
			}
		}
	}
}

func (s *surface) results(of string, types *ast.FieldList) {
	if types == nil {
		return
	}
	for _, field := range types.List {
		s.yield(of, field.Type)
	}
}

func (s *surface) yield(from string, typ ast.Expr) {
	if typ == nil {
		return
	}
	ast.Inspect(typ, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			s.yields[from] = append(s.yields[from], id.Name)
		}
		return true
	})
}

// used notes what a file with Examples uses.
func (s *surface) used(f *ast.File, pkg string) {
	local := "" // what the file calls the package
	for _, imp := range f.Imports {
		if p, _ := strconv.Unquote(imp.Path.Value); p == pkg {
			local = s.name
			if imp.Name != nil {
				local = imp.Name.Name
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			s.selected[n.Sel.Name] = true
			if x, ok := n.X.(*ast.Ident); ok && x.Name == local {
				s.named[n.Sel.Name] = true
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				s.selected[key.Name] = true
			}
		}
		return true
	})
}
