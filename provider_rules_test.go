package taskgen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// functionsOf are the functions and methods of a provider, without those of its tests.
func functionsOf(t *testing.T, provider string) []*ast.FuncDecl {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("runtime", provider, "*.go"))
	require.NoError(t, err)
	var all []*ast.FuncDecl
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				all = append(all, f)
			}
		}
	}
	require.NotEmpty(t, all, "runtime/%s has no functions", provider)
	return all
}

// ofDefaultLogger are the functions of package slog that log to its default logger.
var ofDefaultLogger = map[string]bool{
	"Default": true, "With": true, "Log": true, "LogAttrs": true,
	"Debug": true, "Info": true, "Warn": true, "Error": true,
	"DebugContext": true, "InfoContext": true, "WarnContext": true, "ErrorContext": true,
}

// A provider that logs has an option for its logger, and logs through the method logger.
func TestProvidersLogToTheLoggerThatTheyAreGiven(t *testing.T) {
	for _, provider := range providers {
		logs, option := false, false
		for _, f := range functionsOf(t, provider) {
			option = option || f.Name.Name == "WithLogger"
			if f.Name.Name == "logger" {
				logs = true
				continue
			}
			if f.Body == nil {
				continue
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					pkg, _ := s.X.(*ast.Ident)
					bypass := pkg != nil && pkg.Name == "slog" && ofDefaultLogger[s.Sel.Name]
					assert.False(t, bypass, "runtime/%s: %s calls slog.%s: call logger()", provider, f.Name.Name, s.Sel.Name)
				}
				return true
			})
		}
		assert.Equal(t, logs, option, "runtime/%s: a provider that logs has WithLogger, and no other", provider)
	}
}

// Open connects, and so takes a context; New takes the program's own client, and waits for
// nothing: docs/decisions/constructors.md.
func TestTheConstructorsOfProvidersAreAlike(t *testing.T) {
	for _, provider := range providers {
		opens, news := 0, 0
		for _, f := range functionsOf(t, provider) {
			makes := f.Recv == nil && f.Name.IsExported() && f.Type.Results != nil && types.ExprString(f.Type.Results.List[0].Type) == "*Provider"
			if !makes {
				continue
			}
			var params []string
			for _, p := range f.Type.Params.List {
				for range max(len(p.Names), 1) {
					params = append(params, types.ExprString(p.Type))
				}
			}
			switch name := f.Name.Name; {
			case name == "Open":
				opens++
				assert.Equal(t, []string{"context.Context", "string", "...Option"}, params, "%s.Open", provider)
			case strings.HasPrefix(name, "New"):
				news++
				assert.NotContains(t, params, "context.Context", "%s.%s: let the first call that uses the broker wait for it", provider, name)
				assert.Equal(t, "...Option", params[len(params)-1], "%s.%s", provider, name)
				assert.LessOrEqual(t, len(params), 2, "%s.%s takes a client and options", provider, name)
			default:
				assert.Fail(t, "a constructor is called Open or New…", "%s.%s", provider, name)
			}
		}
		assert.Equal(t, provider != "memory", opens == 1, "runtime/%s: Open", provider) // it has no address
		assert.Equal(t, provider != "sqlite", news > 0, "runtime/%s: New", provider)    // it has no client
	}
}
