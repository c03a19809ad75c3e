package gosrc

import (
	"go/format"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// directives are lines that some tool would follow.
var directives = []string{
	"+build legacy", "  +build legacy", "\t+build\tlegacy", "//go:build legacy", "go:build legacy", "// +build legacy", "//go:generate rm -rf /",
	"//line other.go:1", "/*line other.go:1*/", "//go:embed secrets", "//export Name", "//go:linkname a b", "#cgo LDFLAGS: -x", "+k8s:deepcopy-gen=true",
	"nolint", "nolint:errcheck", "lint:ignore SA1000 x", "//nolint:all", "#nosec G101", "+build", "*/ //go:build legacy /*", "x\r//go:build legacy", "+build ignore\r",
}

// verify is Verify of a file in one piece.
func verify(pkg *model.Package, src []byte) error {
	tree, err := parser.ParseFile(token.NewFileSet(), "x.go", src, parser.ParseComments)
	if err != nil {
		return err
	}
	return Verify(pkg, src, tree)
}

func TestADocCommentStaysAComment(t *testing.T) {
	for _, line := range directives {
		for _, text := range []string{line, "EmbeddingTask embeds.\n\n" + line + "\n", line + "\nmore", "a\n" + line} {
			pkg := embedding()
			pkg.Tasks[0].Doc = text
			src := File(pkg)
			set, err := format.Source(src)
			require.NoError(t, err)
			require.Equal(t, string(set), string(src))
			require.NoError(t, verify(pkg, src), "%q\n%s", text, src)
			require.NotContains(t, string(src[:400]), "//go:build")
		}
	}
}

func TestAStructTagStaysAString(t *testing.T) {
	pkg := embedding()
	pkg.Tasks[0].Fields[0].Tag = "json:\"a\"\n//go:generate rm -rf /\n"
	require.NoError(t, verify(pkg, File(pkg)))
}

func TestADirectiveThatGotIntoTheFileIsABug(t *testing.T) {
	pkg := embedding()
	const top = "// Code generated.\n\n"
	for _, line := range []string{
		"//go:build legacy", "// +build legacy", "//go:generate rm", "//line x:1", "/*line x:1*/", "//go:embed x", "//export X", "//nolint", "// nolint", "//go:linkname a b", "//lint:ignore x y", "// #nosec",
	} {
		assert.Error(t, verify(pkg, []byte(top+line+"\n\npackage tasks\n")), line)
		if strings.Contains(line, "build") {
			continue // which means nothing below the clause
		}
		assert.Error(t, verify(pkg, []byte(top+"package tasks\n\nvar x int\n\n"+line+"\nvar y int\n")), line)
	}
	assert.Error(t, verify(pkg, []byte(top+"package tasks\n\nvar x = `\n//go:generate rm\n`\n")))
	assert.NoError(t, verify(pkg, []byte(top+"package tasks\n\n// See //go:build and +build.\nvar x = `//go:embed`\n")))
	pkg.Constraint = "linux"
	assert.NoError(t, verify(pkg, []byte(top+"//go:build linux\n\npackage tasks\n")))
	assert.Error(t, verify(pkg, []byte(top+"package tasks\n")))
	assert.Error(t, verify(pkg, []byte(top+"//go:build linux\n\npackage tasks\n\n//go:build linux\nvar x int\n")))
}
