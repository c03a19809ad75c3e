// Package cache remembers which runs of the generator had nothing to do, so that
// another run with the same input costs little more than asking the go command where
// the files are. It is between load and analyze: a listing goes in, and the result of
// an earlier run comes out.
//
// The input of a run is everything that it has read: the program itself, its
// configuration, the output of the go command, and every file and folder. A run is
// remembered once the disk is up to date, and recognised by the hashes of all of these,
// including generated files. Errors are never remembered. A cache that cannot be read
// or written is no error: the generator then does its work.
package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/output"
)

// format is part of every key. It changes when entries do.
const format = "2"

// A Cache is a folder of entries, one for each run that is remembered. It may be
// used by several goroutines and by several processes at once. A nil Cache
// remembers nothing.
type Cache struct{ dir string }

// program is the sum of the program that runs.
var program = sync.OnceValues(readProgram)

// Open returns the cache in a folder, which need not exist, or nil if dir is empty. It
// starts to read the running program.
func Open(dir string) *Cache {
	if dir == "" {
		return nil
	}
	read := program
	go func() { _, _ = read() }() // while the go command works
	return &Cache{dir}
}

// readProgram hashes the running program. Linux opens the same file, even if it has been
// replaced meanwhile.
func readProgram() (load.Sum, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		path, err := os.Executable()
		if err != nil {
			return load.Sum{}, err
		}
		if f, err = os.Open(path); err != nil {
			return load.Sum{}, err
		}
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return load.Sum(h.Sum(nil)), err
}

// A Run is a run of the generator. Nil is one of a nil Cache.
type Run struct {
	cache    *Cache
	key      string // empty: the run cannot be remembered
	trace    *load.Trace
	recalled bool
}

// An entry is the input of a remembered run, before its result.
type entry struct{ Inputs load.Inputs }

// Run is the run of the generator that a listing begins.
func (c *Cache) Run(l *load.Listing) *Run {
	if c == nil {
		return nil
	}
	cfg := l.Query()
	return &Run{cache: c, key: c.key(cfg), trace: cfg.Trace}
}

// key names the entry for runs with this program, configuration and output of the go
// command. It is empty if these are not known.
func (c *Cache) key(cfg load.Query) string {
	sum, err := program()
	if err != nil {
		return ""
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return ""
	}
	listing, _ := cfg.Trace.Listing()
	text, err := json.Marshal([]any{format, sum, listing, dir, cfg.Patterns, cfg.Tags, environment(cfg.Env)})
	if err != nil {
		return ""
	}
	name := sha256.Sum256(text)
	return hex.EncodeToString(name[:])
}

// environment are the variables that Go programs and the go command know; nil is that of
// this process. The variables of go generate about the calling line do not count.
func environment(env []string) []string {
	if env == nil {
		env = os.Environ()
	}
	var known []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == "GOFILE" || name == "GOLINE" || name == "GOPACKAGE":
		case strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "CGO_"):
			known = append(known, kv)
		}
	}
	slices.Sort(known)
	return known
}

// Recall fills in the result of an earlier run, and returns true, if nothing has changed
// since.
func (r *Run) Recall(outcome any) bool {
	if r == nil || r.key == "" {
		return false
	}
	if _, again := r.trace.Listing(); again {
		return false
	}
	data := r.cache.read(r.key)
	if data == nil {
		return false
	}
	var e entry
	dec := gob.NewDecoder(bytes.NewReader(data))
	if dec.Decode(&e) != nil || !e.Inputs.Hold() || dec.Decode(outcome) != nil {
		return false
	}
	r.recalled = true
	return true
}

// Remember remembers the run and its result. files are the files that belong on the
// disk, and written the changes that were made to bring the disk up to date. A run that
// created or removed a file, or asked the go command twice, is not remembered: the
// output of the go command is different now.
func (r *Run) Remember(outcome any, files map[string][]byte, written []output.Change) {
	if r == nil || r.key == "" || r.recalled {
		return
	}
	if _, again := r.trace.Listing(); again {
		return
	}
	e := entry{Inputs: r.trace.Inputs()}
	for _, c := range written {
		if c.Old == nil || c.New == nil {
			return
		}
		// The presence of a generated file counts, not its content.
		e.Inputs.Files[c.Path] = load.SumOf(c.New, nil)
	}
	for path, src := range files {
		if src == nil || e.Inputs.Files[path] != load.SumOf(src, nil) {
			return
		}
	}
	var b bytes.Buffer
	enc := gob.NewEncoder(&b)
	if enc.Encode(e) == nil && enc.Encode(outcome) == nil {
		r.cache.write(r.key, b.Bytes())
	}
}
