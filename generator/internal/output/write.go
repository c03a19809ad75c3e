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
// writes nothing outside the folders of the files: a link with the name of a file is
// itself replaced, whatever its target.
func Write(changes []Change) (err error) {
	folders := make(map[string]*os.Root)
	temps := make(map[string]string, len(changes)) // by path
	defer func() {
		for path, temp := range temps {
			err = errors.Join(err, folders[filepath.Dir(path)].Remove(temp))
		}
		for _, folder := range folders {
			err = errors.Join(err, folder.Close())
		}
	}()
	for _, c := range changes {
		dir := filepath.Dir(c.Path)
		if folders[dir] == nil {
			if folders[dir], err = os.OpenRoot(dir); err != nil {
				delete(folders, dir)
				return err
			}
		}
		if c.New == nil {
			continue
		}
		temp, err := writeTemp(folders[dir], c)
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
		if err := remove(folders[filepath.Dir(c.Path)], filepath.Base(c.Path)); err != nil {
			return fmt.Errorf("remove %s: %w", c.Path, err)
		}
	}
	for _, c := range changes {
		if c.New == nil {
			continue
		}
		if err := folders[filepath.Dir(c.Path)].Rename(temps[c.Path], filepath.Base(c.Path)); err != nil {
			return fmt.Errorf("write %s: %w", c.Path, err)
		}
		delete(temps, c.Path)
	}
	return nil
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
	base := filepath.Base(c.Path)
	name, f, err := create(folder, base)
	if err != nil {
		return "", err
	}
	_, err = f.Write(c.content())
	if info, statErr := folder.Lstat(base); statErr == nil && info.Mode().IsRegular() {
		err = cmp.Or(err, f.Chmod(info.Mode().Perm()))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, folder.Remove(name))
	}
	return name, nil
}

// create creates a file under an unused name, whatever other processes create
// meanwhile.
func create(folder *os.Root, base string) (string, *os.File, error) {
	const attempts = 1000
	for i := 0; ; i++ {
		name := fmt.Sprintf(".%s.%016x.tmp", base, rand.Uint64())
		f, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil || !errors.Is(err, fs.ErrExist) || i == attempts {
			return name, f, err
		}
	}
}
