// Package platform knows where source files are built: by their names, build constraints
// and imports, as the go command reads them. Load uses it for files, analyze for
// constraints. Text goes in, constraints and targets come out.
package platform

import (
	"bytes"
	"errors"
	"go/build"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"strings"
)

// Of returns when a file is built; nil is always. filename need not have a directory.
// The error is that of an unreadable constraint: the go command never builds such a
// file.
func Of(filename string, src []byte) (constraint.Expr, error) {
	all := nameTags(filepath.Base(filename))
	plus, line, err := header(src)
	if err != nil {
		return nil, err
	}
	if line != "" {
		x, err := constraint.Parse(line)
		if err != nil {
			return nil, err
		}
		all, plus = append(all, x), nil // then no other line counts
	}
	for raw := range bytes.Lines(plus) {
		text := string(bytes.TrimSpace(raw))
		if !constraint.IsPlusBuild(text) {
			continue
		}
		if x, err := constraint.Parse(text); err == nil { // unreadable ones count as none
			all = append(all, x)
		}
	}
	if importsC(src) {
		all = append(all, &constraint.TagExpr{Tag: "cgo"})
	}
	var joined constraint.Expr
	for _, x := range all {
		if joined == nil {
			joined = x
			continue
		}
		joined = &constraint.AndExpr{X: joined, Y: x}
	}
	return joined, nil
}

var errSeveral = errors.New("the file has several //go:build lines")

// header returns the part of a file in which +build lines count, and the //go:build
// line, as go/build finds them: the former is the comments and blank lines at the top,
// up to the last blank line; the latter may also follow a comment of the other form.
func header(src []byte) (plus []byte, line string, err error) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	var end, read int
	ended := false // something other than a // comment has come
	open := false  // a /* is open
	for raw := range bytes.Lines(src) {
		read += len(raw)
		l := string(bytes.TrimSpace(raw))
		if l == "" && !ended {
			end = read
			continue
		}
		if !strings.HasPrefix(l, "//") {
			ended = true
		}
		if !open && constraint.IsGoBuild(l) {
			if line != "" {
				return nil, "", errSeveral
			}
			line = l
		}
		code := false
		if open, code = comments(l, open); code {
			break
		}
	}
	return src[:end], line, nil
}

// comments reads a line: it reports whether a /* is open after it, and whether it has
// code.
func comments(l string, open bool) (stillOpen, code bool) {
	for l != "" {
		switch {
		case open:
			_, rest, closed := strings.Cut(l, "*/")
			if !closed {
				return true, false
			}
			open, l = false, strings.TrimSpace(rest)
		case strings.HasPrefix(l, "//"):
			return false, false
		case strings.HasPrefix(l, "/*"):
			open, l = true, strings.TrimSpace(l[len("/*"):])
		default:
			return false, true
		}
	}
	return open, false
}

// importsC reports whether a file imports "C", which requires the tag cgo.
func importsC(src []byte) bool {
	if !bytes.Contains(src, []byte(`"C"`)) && !bytes.Contains(src, []byte("`C`")) {
		return false
	}
	f, _ := parser.ParseFile(token.NewFileSet(), "", src, parser.ImportsOnly|parser.SkipObjectResolution)
	if f == nil {
		return false
	}
	for _, spec := range f.Imports {
		if strings.Trim(spec.Path.Value, "\"`") == "C" {
			return true
		}
	}
	return false
}

// nameTags are the tags that a file requires by its name alone: linux and arm64 for
// tasks_linux_arm64.go.
func nameTags(name string) []constraint.Expr {
	name, _, _ = strings.Cut(name, ".")
	parts := strings.Split(strings.TrimSuffix(name, "_test"), "_")
	if len(parts) == 1 {
		return nil
	}
	tag := func(word string) constraint.Expr { return &constraint.TagExpr{Tag: word} }
	last := parts[len(parts)-1]
	if before := parts[len(parts)-2]; len(parts) > 2 && isArch(last) && isSystem(before) {
		return []constraint.Expr{tag(before), tag(last)}
	}
	if isSystem(last) || isArch(last) {
		return []constraint.Expr{tag(last)}
	}
	return nil
}

// isSystem reports whether a word is the name of an operating system: a system's name
// also counts before an architecture.
func isSystem(word string) bool { return !nameBuilds(word+"_amd64", "none", "amd64") }

// isArch reports whether a word is the name of an architecture.
func isArch(word string) bool { return !isSystem(word) && !nameBuilds(word, "none", "none") }

// nameBuilds reports whether a file whose name ends with _words is built for a system
// and an architecture. Only go/build knows all names.
func nameBuilds(words, system, arch string) bool {
	return matches(Target{System: system, Arch: arch}, "x_"+words+".go", "package p\n")
}

// matches reports go/build's answer whether a file is built in a target.
func matches(to Target, name, text string) bool {
	ctx := to.context()
	ctx.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	ok, err := ctx.MatchFile("", name)
	return ok && err == nil
}

func (to Target) context() build.Context {
	return build.Context{
		GOOS: to.System, GOARCH: to.Arch, CgoEnabled: to.Cgo, BuildTags: to.Tags,
		Compiler: build.Default.Compiler, ReleaseTags: build.Default.ReleaseTags, ToolTags: to.ToolTags,
	}
}
