package output

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Write brings the disk up to date. It replaces each file in one step, so no reader
// ever sees half of one. It touches none before the content of all is on the disk, and
// writes nothing outside the roots of the changes: a link with the name of a file is
// itself replaced, whatever its target. Folders that it has made stay if it fails.
func Write(changes []Change) (err error) {
	folders := make(map[string]*os.Root)
	temps := make(map[string]string, len(changes)) // by path
	defer func() {
		for _, c := range changes {
			if temp, ok := temps[c.Path]; ok {
				err = errors.Join(err, folders[c.root()].Remove(temp))
			}
		}
		for _, folder := range folders {
			err = errors.Join(err, folder.Close())
		}
	}()
	for _, c := range changes {
		root := c.root()
		if folders[root] == nil {
			if folders[root], err = os.OpenRoot(root); err != nil {
				delete(folders, root)
				return err
			}
		}
		if c.New == nil {
			continue
		}
		temp, err := writeTemp(folders[root], c)
		if err != nil {
			return fmt.Errorf("write %s: %w", c.Path, err)
		}
		temps[c.Path] = temp
	}
	// Removals come first: if a file system treats two names as one, the new file stays.
	for _, c := range changes {
		if c.New != nil {
			continue
		}
		if err := remove(folders[c.root()], c.name()); err != nil {
			return fmt.Errorf("remove %s: %w", c.Path, err)
		}
	}
	for _, c := range changes {
		if c.New == nil {
			continue
		}
		if err := folders[c.root()].Rename(temps[c.Path], c.name()); err != nil {
			return fmt.Errorf("write %s: %w", c.Path, err)
		}
		delete(temps, c.Path)
	}
	return nil
}

// root is the folder that the file does not leave.
func (c Change) root() string { return cmp.Or(c.Root, filepath.Dir(c.Path)) }

// name is the path of the file within root.
func (c Change) name() string {
	if name, err := filepath.Rel(c.root(), c.Path); err == nil {
		return name
	}
	return c.Path // which root refuses
}

// remove removes a file, which may be gone already; never a folder.
func remove(folder *os.Root, name string) error {
	info, err := folder.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && info.IsDir():
		return errors.New("it is a folder")
	case err != nil:
		return err
	}
	return folder.Remove(name)
}

// writeTemp writes the new content beside the file, under an unused name and with the
// file's mode. The go command ignores files whose names begin with a dot.
func writeTemp(folder *os.Root, c Change) (string, error) {
	path := c.name()
	if err := folder.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	name, f, err := create(folder, path)
	if err != nil {
		return "", err
	}
	_, err = f.Write(c.content())
	if info, statErr := folder.Lstat(path); statErr == nil && info.Mode().IsRegular() {
		err = cmp.Or(err, f.Chmod(info.Mode().Perm()))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, folder.Remove(name))
	}
	return name, nil
}

// create creates a file under an unused name, whatever other processes create
// meanwhile.
func create(folder *os.Root, path string) (string, *os.File, error) {
	const attempts = 1000
	for i := 0; ; i++ {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%016x.tmp", filepath.Base(path), rand.Uint64()))
		f, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil || !errors.Is(err, fs.ErrExist) || i == attempts {
			return name, f, err
		}
	}
}
