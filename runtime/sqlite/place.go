package sqlite

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// ErrFileGone: the file that is open is not the one at its path any more: it was
// deleted, moved or replaced, or its -wal or -shm file was. What is written from then
// on would be lost, so nothing is: open the provider again once the file is in its
// place. It is noticed before an Enqueue is acknowledged.
var ErrFileGone = errors.New("taskgen: the SQLite file was deleted or replaced while it was open")

// A place is the path of a file and of what SQLite keeps beside it, and what was
// there when they were opened.
type place struct {
	paths [3]string
	files [3]os.FileInfo
}

// placeOf looks at the files of an open connection. All of them are there as long as
// it is.
func placeOf(path string) (*place, error) {
	p := &place{paths: [3]string{path, path + "-wal", path + "-shm"}}
	for i, name := range p.paths {
		var err error
		if p.files[i], err = os.Stat(name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// check returns an error where a file is gone or another one has its place. It costs
// three calls of the system, 5 to 20 µs.
func (p *place) check() error {
	for i, name := range p.paths {
		now, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFileGone, err)
		}
		if !os.SameFile(p.files[i], now) {
			return fmt.Errorf("%w: another file is at %s", ErrFileGone, name)
		}
	}
	return nil
}

// explain returns why a call failed. The file may have gone after the check, and SQLite
// calls that an I/O error.
func (p *place) explain(err error) error {
	if err == nil || errors.Is(err, ErrFileGone) {
		return err
	}
	if gone := p.check(); gone != nil {
		return fmt.Errorf("%w: %w", gone, err)
	}
	return err
}

// among reports whether one of the paths leads to the open file.
func (p *place) among(paths []string) bool {
	return slices.ContainsFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && os.SameFile(p.files[0], info)
	})
}
