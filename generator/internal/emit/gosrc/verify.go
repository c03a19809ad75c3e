package gosrc

import (
	"bytes"
	"fmt"
	"go/ast"
	"regexp"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/platform"
)

// Verify checks that the finished file of a package tells the go command only to build
// it where the tasks are built. Users' text in the file must not have become a
// directive. trees are the parts of the file, with their comments; comments in
// declarations may be passed to [VerifyComment] instead. An error is a bug of this
// package.
func Verify(pkg *model.Package, src []byte, trees ...*ast.File) error {
	x, err := platform.Of(model.FileName("x"), src)
	if err != nil {
		return err
	}
	have := ""
	if x != nil {
		have = x.String()
	}
	if have != pkg.Constraint {
		return fmt.Errorf("the file is built when %q, and the tasks are when %q", have, pkg.Constraint)
	}
	allowed := "//go:build " + pkg.Constraint
	for _, tree := range trees {
		for _, group := range tree.Comments {
			for _, comment := range group.List {
				switch line := comment.Text; {
				case line == allowed:
					allowed = "" // once
				case isDirective(line):
					return fmt.Errorf("the file contains the directive %q", line)
				}
			}
		}
	}
	// go generate reads lines, whatever contains them.
	const command = "//go:generate"
	if bytes.HasPrefix(src, []byte(command)) || bytes.Contains(src, []byte("\n"+command)) {
		return fmt.Errorf("the file contains a line that begins with %s", command)
	}
	return nil
}

// VerifyComment is Verify for one comment in a declaration.
func VerifyComment(comment []byte) error {
	if isDirective(string(comment)) {
		return fmt.Errorf("the file contains the directive %q", comment)
	}
	return nil
}

// tool is a directive of the go command, a compiler or another tool: a word and a colon
// directly after the slashes.
var tool = regexp.MustCompile(`^//[a-z0-9]+:[a-z0-9]`)

func isDirective(comment string) bool {
	text := strings.TrimSpace(strings.TrimPrefix(comment, "//"))
	for _, prefix := range []string{"//line ", "/*line ", "//export ", "//extern ", "//nolint", "//#nosec"} {
		if strings.HasPrefix(comment, prefix) {
			return true
		}
	}
	return tool.MatchString(comment) || strings.HasPrefix(comment, "//") && marker.MatchString(text)
}
