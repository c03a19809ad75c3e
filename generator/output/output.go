// Package output compares generated files with what is on disk, and brings the
// disk up to date. Writing is one way to deal with a set of changes; listing
// them and showing them as a diff are two others.
package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
)

// A Change is a file that is not as it should be.
type Change struct {
	Path string // absolute
	Old  []byte // nil: the file is missing
	New  []byte // nil: the file is an orphan, and goes
}

// The kinds of change, as people read them.
const (
	Missing = "missing"
	Stale   = "stale"
	Orphan  = "orphan"
)

// Kind says what is wrong with the file.
func (c Change) Kind() string {
	switch {
	case c.New == nil:
		return Orphan
	case c.Old == nil:
		return Missing
	}
	return Stale
}

// Changes compares files, by absolute path, with the disk, and returns those
// that differ, sorted by path. A file whose content is nil should not be there.
// A file that exists and has no line that is header was written by somebody
// else: that is an error, whatever is to become of it.
func Changes(files map[string][]byte, header string) ([]Change, error) {
	var (
		changes []Change
		errs    []error
	)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		want := files[path]
		have, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if want != nil {
				changes = append(changes, Change{Path: path, New: want})
			}
		case err != nil:
			errs = append(errs, err)
		case len(have) > 0 && !hasLine(have, header):
			errs = append(errs, fmt.Errorf("%s was not written by taskgen: move it away, or begin it with %q if taskgen may replace it", path, header))
		case want == nil || !bytes.Equal(have, want):
			changes = append(changes, Change{Path: path, Old: append([]byte{}, have...), New: want})
		}
	}
	return changes, errors.Join(errs...)
}

// hasLine looks for the line anywhere: merge markers may stand before it.
func hasLine(src []byte, want string) bool {
	for line := range bytes.Lines(src) {
		if string(bytes.TrimSpace(line)) == want {
			return true
		}
	}
	return false
}

// Write brings the disk up to date. Each file is replaced in one step, so that
// nobody ever reads half of one, and none is touched before the content of all
// is on the disk.
func Write(changes []Change) (err error) {
	temps := make(map[string]string, len(changes)) // by path
	defer func() {
		for _, temp := range temps {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	for _, c := range changes {
		if c.New == nil {
			continue
		}
		temp, err := writeTemp(c)
		if err != nil {
			return err
		}
		temps[c.Path] = temp
	}
	for _, c := range changes {
		if c.New == nil {
			if err := os.Remove(c.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		if err := os.Rename(temps[c.Path], c.Path); err != nil {
			return err
		}
		delete(temps, c.Path)
	}
	return nil
}

// writeTemp writes the new content beside the file, with the mode that the file
// has. The go command leaves files alone whose names begin with a dot.
func writeTemp(c Change) (string, error) {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(c.Path); err == nil {
		mode = info.Mode().Perm()
	}
	temp := filepath.Join(filepath.Dir(c.Path), fmt.Sprintf(".%s.%d.tmp", filepath.Base(c.Path), os.Getpid()))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return "", err
	}
	_, err = f.Write(c.New)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp))
	}
	return temp, nil
}

// Diff writes changes as a unified diff. name says how a path is shown.
func Diff(w io.Writer, changes []Change, name func(path string) string) error {
	for _, c := range changes {
		from, to := name(c.Path), name(c.Path)
		if c.Old == nil {
			from = os.DevNull
		}
		if c.New == nil {
			to = os.DevNull
		}
		if _, err := w.Write(diff.Diff(from, c.Old, to, c.New)); err != nil {
			return err
		}
	}
	return nil
}
