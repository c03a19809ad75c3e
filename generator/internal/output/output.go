// Package output is the last step: it compares generated files with what is on disk, and
// brings the disk up to date. Files go in, changes come out. Writing is one way to deal with
// a set of changes; listing them and showing them as a diff are two others.
package output

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// A Change is a file that is not up to date.
type Change struct {
	Path string // absolute
	Old  []byte // nil: the file is missing
	New  []byte // nil: the file is an orphan, and goes
	// Root is the folder that the file stays in, whatever links are below it. Folders
	// between them are made. Empty: the folder of the file.
	Root string
}

// The kinds of change, as people read them.
const (
	missing = "missing"
	stale   = "stale"
	orphan  = "orphan"
)

// Kind says what is wrong with the file: it is missing, stale, or an orphan.
func (c Change) Kind() string {
	switch {
	case c.New == nil:
		return orphan
	case c.Old == nil:
		return missing
	}
	return stale
}

// Changes compares files, by absolute path, with the disk, and returns those that
// differ, sorted by path. A file whose content is nil should not exist. An existing
// file without a line equal to one of headers, and without a mark of an output, was not
// written by taskgen: that is an error, even if the file is to be removed, and so is a file
// that is neither a regular file nor a link to one.
//
// Changes ignores what git and editors do to a file: other line ends, a byte order
// mark, a last line without an end, or empty lines after it.
func Changes(files map[string][]byte, headers ...string) ([]Change, error) {
	var (
		changes []Change
		errs    []error
	)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		want := files[path]
		have, err := read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if want != nil {
				changes = append(changes, Change{Path: path, New: want})
			}
		case err != nil:
			errs = append(errs, err)
		case len(bytes.TrimSpace(plain(have))) > 0 && !hasLine(have, headers) && !isOutput(have):
			errs = append(errs, fmt.Errorf("%s was not written by taskgen: move it away, or %s", path, permission(want, headers)))
		case want == nil || !same(have, want):
			changes = append(changes, Change{Path: path, Old: append([]byte{}, have...), New: want})
		}
	}
	return changes, errors.Join(errs...)
}

// read reads a file, through a link too, but nothing that has no end.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: move it away", path)
	}
	return os.ReadFile(path)
}

// plain is a text without what git and editors put in: \n ends its lines.
func plain(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.IndexByte(text, '\r') < 0 { // of most texts no copy is needed
		return text
	}
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
}

func same(a, b []byte) bool {
	return bytes.Equal(bytes.TrimRight(plain(a), "\n"), bytes.TrimRight(plain(b), "\n"))
}

// hasLine looks for one of the lines anywhere: merge markers may stand before it.
func hasLine(src []byte, want []string) bool {
	for line := range bytes.Lines(plain(src)) {
		if slices.Contains(want, string(bytes.TrimSpace(line))) {
			return true
		}
	}
	return false
}

func isOutput(src []byte) bool {
	_, ok := model.MarkedBy(plain(src))
	return ok
}

// permission is how people let taskgen replace a file by the one that is wanted.
func permission(want []byte, headers []string) string {
	if isOutput(want) {
		return "empty it if taskgen may replace it"
	}
	return fmt.Sprintf("begin it with %q if taskgen may replace it", headers[0])
}

// content is what to write: with the line ends that the file has.
func (c Change) content() []byte {
	if crlf := bytes.Count(c.Old, []byte("\r\n")); crlf == 0 || 2*crlf < bytes.Count(c.Old, []byte("\n")) {
		return c.New
	}
	return bytes.ReplaceAll(plain(c.New), []byte("\n"), []byte("\r\n"))
}

// Diff is the change as a unified diff. name is how its path is shown. Line ends are
// not compared.
func (c Change) Diff(name string) []byte {
	from, to := name, name
	if c.Old == nil {
		from = os.DevNull
	}
	if c.New == nil {
		to = os.DevNull
	}
	return diff.Diff(from, plain(c.Old), to, plain(c.New))
}
