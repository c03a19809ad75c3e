package gosrc

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// pool are names that collide with what generated code uses, and one another.
var pool = []string{
	"context", "fmt", "slog", "time", "runtime", "task", "ctx", "to", "opts", "r", "h", "f", "t", "id", "from", "verb",
	"router", "handler", "payload", "string", "error", "err", "context2", "stdcontext", "own", "Own",
}

func TestNoNameHidesAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pkg := embedding()
		name := rapid.SampledFrom(pool)
		pkg.Scope = append(pkg.Scope, rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "scope")...)
		parents := rapid.SampledFrom([]string{"a.example/x", "b.example/x", "c.example/12", "d.example/y/v2", "own"})
		for _, imported := range rapid.SliceOfN(name, 0, 8).Draw(t, "imports") {
			typ := model.Type{Kind: model.Named, Path: parents.Draw(t, "parent") + "/" + imported, Package: imported, Name: "T"}
			pkg.Tasks[0].Fields = append(pkg.Tasks[0].Fields, model.Field{Name: "X" + imported, Type: typ})
			if rapid.Bool().Draw(t, "named") {
				pkg.Imports = append(pkg.Imports, model.Import{Path: typ.Path, Name: name.Draw(t, "alias")})
			}
		}
		own := model.Type{Kind: model.Named, Name: name.Draw(t, "own")}
		pkg.Scope = append(pkg.Scope, own.Name)
		pkg.Tasks[1].Result = &own
		checkNames(t, pkg)
	})
}

func checkNames(t *rapid.T, pkg *model.Package) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", File(pkg), 0)
	if err != nil {
		t.Fatal(err)
	}
	imports := make(map[string]bool)
	for _, imp := range file.Imports {
		path := strings.Trim(imp.Path.Value, `"`)
		name := assumedName(path)
		if imp.Name != nil {
			name = imp.Name.Name
		}
		assert.False(t, imports[name], "two imports are called %s", name)
		assert.NotContains(t, pkg.Scope, name, "the package declares what %s is imported as", path)
		assert.Nil(t, types.Universe.Lookup(name), "%s is imported as %s", path, name)
		imports[name] = true
	}
	ast.Inspect(file, func(n ast.Node) bool {
		fn, ok := n.(*ast.FuncType)
		if !ok || fn.Params == nil {
			return true
		}
		var params []string
		for _, field := range fn.Params.List {
			for _, id := range field.Names {
				params = append(params, id.Name)
			}
		}
		for i, name := range params {
			assert.False(t, imports[name], "the parameter %s hides an import", name)
			assert.NotContains(t, params[:i], name)
			assert.NotEqual(t, pkg.Tasks[1].Result.Name, name, "the parameter hides a type")
		}
		return true
	})
}
