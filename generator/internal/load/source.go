package load

import (
	"bytes"
	"go/parser"
	"go/token"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// text is a file before it is parsed.
type text struct {
	path     string
	src      []byte
	mentions bool
	test     bool
	own      bool // a generated file: it is not read
	copied   bool // handwritten, with the header of a generated file
}

// readDir reads the Go files of a directory, sorted by name. Like the go command it
// skips everything but regular files and links to them: reading a pipe or a device
// would not end.
func readDir(t *Trace, dir string) ([]text, error) {
	entries, err := t.readDir(dir)
	if err != nil {
		return nil, err
	}
	var texts []text
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || name[0] == '_' || name[0] == '.' {
			continue
		}
		path := filepath.Join(dir, name)
		src, ok, err := t.readFile(path)
		if err != nil {
			return nil, err
		}
		if ok {
			texts = append(texts, newText(path, src))
		}
	}
	sortOut(texts)
	return texts, nil
}

// readFiles reads files that may be missing, concurrently.
func readFiles(t *Trace, paths []string) []text {
	found := make([]text, len(paths))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range paths {
		g.Go(func() error {
			if src, ok, err := t.readFile(path); ok && err == nil {
				found[i] = newText(path, src)
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return nil
	found = slices.DeleteFunc(found, func(t text) bool { return t.path == "" })
	sortOut(found)
	return found
}

func newText(path string, src []byte) text {
	return text{path: path, src: src, mentions: bytes.Contains(src, []byte(mark)), test: strings.HasSuffix(path, "_test.go")}
}

// byHand are the handwritten files.
func byHand(texts []text) []text {
	return slices.DeleteFunc(slices.Clone(texts), func(t text) bool { return t.own })
}

// sortOut separates the generated files of one directory from handwritten ones: by name
// and by header, because either can be another program's. An empty file with such a
// name is to become ours.
//
// A generated file has the name of its package. One with another name is left from a
// package that was renamed with all its files, or is a copy that a person took over: a
// copy, if the original exists, or if nothing would replace it.
func sortOut(texts []text) {
	named := make(map[string]bool)
	tasks := false
	for i := range texts {
		t := &texts[i]
		name := filepath.Base(t.path)
		blank := len(bytes.TrimSpace(bytes.TrimPrefix(t.src, []byte("\ufeff")))) == 0
		switch header := generated(t.src); {
		case strings.HasSuffix(name, model.FileName("")) && (header || blank):
			t.own = true
			named[name] = true
		case header:
			t.copied = true
		case t.mentions:
			tasks = true
		}
	}
	for i := range texts {
		t := &texts[i]
		if !t.own {
			continue
		}
		original := model.FileName(clause(t.src))
		if own := filepath.Base(t.path); original != model.FileName("") && original != own && (named[original] || !tasks) {
			t.own, t.copied = false, true
		}
	}
}

// clause is the name in the package clause of a file, "" if it has no readable one.
func clause(src []byte) string {
	f, err := parser.ParseFile(token.NewFileSet(), "", src, parser.PackageClauseOnly)
	if err != nil || f.Name == nil {
		return ""
	}
	return f.Name.Name
}

// generated reports whether a file begins as ours do: the header is on a line of its
// own above the package clause.
func generated(src []byte) bool {
	for line := range bytes.Lines(bytes.TrimPrefix(src, []byte("\ufeff"))) {
		line = bytes.TrimRight(line, "\r\n")
		if string(line) == model.Header {
			return true
		}
		if bytes.HasPrefix(line, []byte("package ")) {
			return false
		}
	}
	return false
}
