package gosrc

import (
	"bytes"
	"fmt"
	"go/scanner"
	"go/token"
	"regexp"
	"strings"

	"github.com/taskgen/taskgen/generator/model"
	"github.com/taskgen/taskgen/generator/platform"
)

// Verify holds the finished file of a package against what it may tell the go
// command: to build it where the tasks are built, and nothing else. Text of users
// that is in the file must not have become a directive. An error is a fault of
// this package.
func Verify(pkg *model.Package, src []byte) error {
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
	for _, line := range comments(src) {
		if line != allowed && isDirective(line) {
			return fmt.Errorf("the file holds the directive %q", line)
		}
		if line == allowed {
			allowed = "" // once
		}
	}
	// go generate reads lines, whatever they are in.
	for line := range bytes.Lines(src) {
		if bytes.HasPrefix(line, []byte("//go:generate")) {
			return fmt.Errorf("the file holds the line %q", strings.TrimSpace(string(line)))
		}
	}
	return nil
}

// comments are the comments of a file.
func comments(src []byte) []string {
	var (
		all  []string
		s    scanner.Scanner
		fset = token.NewFileSet()
	)
	s.Init(fset.AddFile("", -1, len(src)), src, nil, scanner.ScanComments)
	for {
		_, tok, lit := s.Scan()
		switch tok {
		case token.EOF:
			return all
		case token.COMMENT:
			all = append(all, lit)
		}
	}
}

// tool is a directive of the go command, a compiler or another tool: a word and a
// colon directly behind the slashes.
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
