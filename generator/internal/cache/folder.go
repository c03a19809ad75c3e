package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// most is how many entries are kept, the most recently used. An entry of a package
	// with some hundred tasks has some 20 KB.
	most = 500
	// fresh is how old an entry's time may be before a use updates it.
	fresh = time.Hour
)

// read returns an entry, or nil if there is none or it is broken.
func (c *Cache) read(key string) []byte {
	path := filepath.Join(c.dir, key)
	data, err := os.ReadFile(path)
	if err != nil || len(data) < sha256.Size {
		return nil
	}
	sum, data := data[:sha256.Size], data[sha256.Size:]
	if want := sha256.Sum256(data); !bytes.Equal(sum, want[:]) {
		return nil
	}
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > fresh {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // if this fails the entry goes sooner
	}
	return data
}

// write adds an entry in one step, so no reader sees half of it. If it cannot be
// written there is no entry.
func (c *Cache) write(key string, data []byte) {
	if os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(c.dir, "tmp-*")
	if err != nil {
		return
	}
	sum := sha256.Sum256(data)
	_, err = f.Write(append(sum[:], data...))
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(c.dir, key))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	c.trim()
}

// trim removes the least recently used entries.
func (c *Cache) trim() {
	entries, err := os.ReadDir(c.dir)
	if err != nil || len(entries) <= most {
		return
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range files[min(most, len(files)):] {
		_ = os.Remove(filepath.Join(c.dir, info.Name())) // another process may have removed it
	}
}
