package taskgen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The packages of the generator in the order of its steps, and which of those before it
// each may import. What all steps share comes first.
var generatorSteps = []struct {
	name    string
	imports []string
}{
	{"model", nil},
	{"diag", []string{"model"}},
	{"rule", []string{"model", "diag"}},
	{"platform", nil},
	{"directive", []string{"model", "diag", "rule"}},
	{"load", []string{"model", "platform"}},
	{"jsontype", []string{"model", "directive"}},
	{"analyze", []string{"model", "diag", "rule", "platform", "directive", "load", "jsontype"}},
	{"check", []string{"model", "diag", "rule", "directive", "load", "analyze"}},
	{"emit/schema", []string{"model"}},
	{"emit/catalog", []string{"model", "emit/schema"}},
	{"emit/page", []string{"model"}},
	{"emit/asyncapi", []string{"model", "emit/schema"}},
	{"emit/topology", []string{"model"}},
	{"emit/topology/topologytest", []string{"model", "emit/topology"}},
	{"emit/outputs", []string{"model", "emit/schema", "emit/page", "emit/asyncapi", "emit/topology"}},
	{"emit/gosrc", []string{"model", "platform", "emit/schema"}},
	{"shape", []string{"model", "emit/gosrc"}},
	{"wire", []string{"model"}},
	{"lock", []string{"model", "wire"}},
	{"compat", []string{"model", "diag", "rule", "load", "wire", "lock"}},
	{"emit", []string{"model", "diag", "load", "analyze", "check", "emit/gosrc", "emit/outputs", "shape"}},
	{"output", []string{"model"}},
	{"cache", []string{"load", "output"}},
}

func TestTheStepsOfTheGeneratorImportWhatComesBeforeThem(t *testing.T) {
	const internal = module + "/generator/internal/"
	var before []string
	all := imports(t)
	for _, step := range generatorSteps {
		for _, dep := range step.imports {
			assert.Contains(t, before, dep, "%s may not import %s, which comes behind it", step.name, dep)
		}
		before = append(before, step.name)
		deps, ok := all[internal+step.name]
		assert.True(t, ok, "there is no package %s", step.name)
		for _, dep := range deps {
			if name, ours := strings.CutPrefix(dep, internal); ours {
				assert.Contains(t, step.imports, name, "%s imports %s", step.name, name)
			}
			assert.NotEqual(t, module+"/generator", dep, "%s imports the front", step.name)
		}
	}
	for pkg := range all {
		if name, ours := strings.CutPrefix(pkg, internal); ours {
			assert.Contains(t, before, name, "the table does not say what %s may import", name)
		}
	}
}

func TestOnlyTheFrontOfTheGeneratorCanBeImported(t *testing.T) {
	for pkg := range imports(t) {
		if within(pkg, "generator") {
			assert.True(t, pkg == module+"/generator" || within(pkg, "generator/internal"), "anybody can import %s", pkg)
		}
	}
}

// fronts are the packages whose number of exported names is bounded, each with the bound
// and a name that it has: package analyzer exports the checks, package generator what the
// command needs, and package runtime what programs name in day-to-day work. What only
// generated code calls is in runtime/generated, and what providers, stores and middleware
// need in runtime/driver. Package config exports a type for each section of its file, and
// what programs and packages of providers call.
var fronts = []struct {
	dir   string
	most  int
	among string
}{
	{"analyzer", 1, "Analyzers"},
	{"generator", 15, "Generate"},
	{"runtime", 90, "NewManager"},
	{"config", 44, "OpenProvider"},
}

func TestTheFrontsAreSmall(t *testing.T) {
	for _, front := range fronts {
		files, err := filepath.Glob(front.dir + "/*.go")
		require.NoError(t, err)
		var exported []string
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, d := range file.Decls {
				exported = append(exported, exportedBy(d)...)
			}
		}
		require.Contains(t, exported, front.among)
		slices.Sort(exported)
		assert.LessOrEqual(t, len(exported), front.most, "package %s exports %v", front.dir, exported)
	}
}

// exportedBy are the names at package level that a declaration exports.
func exportedBy(d ast.Decl) []string {
	var names []*ast.Ident
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name)
			case *ast.ValueSpec:
				names = append(names, spec.Names...)
			}
		}
	}
	var exported []string
	for _, name := range names {
		if name.IsExported() {
			exported = append(exported, name.Name)
		}
	}
	return exported
}
