// Package cache remembers which runs of the generator had nothing to do, so that
// another one with the same input costs little more than asking the go command
// where the files are. It stands between load and analyze: a listing goes in, and what an
// earlier run came to comes out.
//
// What a run depends on is not guessed. It is what the run has read: the program
// itself, its configuration, all that the go command said, and every file and
// folder. A run is remembered once the disk is as it should be, and it is known
// again by the hashes of all of these, generated files included. Errors are never
// remembered. A cache that cannot be read or written is no error: the generator
// does its work then.
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
const format = "1"

// A Cache is a folder of entries, one for each run that is remembered. It may be
// used by several goroutines and by several processes at once. A nil Cache
// remembers nothing.
type Cache struct{ dir string }

// program is the sum of the program that runs.
var program = sync.OnceValues(readProgram)

// Open returns the cache in a folder, which need not be there, or nil where dir is
// empty. It begins to read the program that runs.
func Open(dir string) *Cache {
	if dir == "" {
		return nil
	}
	read := program
	go func() { _, _ = read() }() // while the go command works
	return &Cache{dir}
}

// readProgram hashes the program that runs. Linux opens the very file, whatever may have
// taken its place meanwhile.
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

// An entry is what is remembered of a run, before what it came to.
type entry struct{ Inputs load.Inputs }

// Run is the run of the generator that a listing begins.
func (c *Cache) Run(l *load.Listing) *Run {
	if c == nil {
		return nil
	}
	cfg := l.Query()
	return &Run{cache: c, key: c.key(cfg), trace: cfg.Trace}
}

// key names the entry for runs of this program with this configuration of which the
// go command says this. It is empty when that cannot be told.
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

// environment are the variables that Go programs and the go command know; nil is
// that of this process. What go generate says of the line that calls is no matter.
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

// Recall fills in what an earlier run came to, and returns true, if everything is as
// it was then.
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

// Remember remembers the run and what it came to. files are those that belong on the
// disk, and written the changes that had to be made, and were made, for the disk to be
// so. A run that created or removed a file, or asked the go command twice, is not
// remembered: the go command says something else now.
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
		// Of a generated file its presence counts, and not what it holds.
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
