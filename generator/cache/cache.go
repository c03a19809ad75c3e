// Package cache remembers which runs of the generator had nothing to do, so that
// another one with the same input costs little more than asking the go command
// where the files are.
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
	"context"
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

	"github.com/taskgen/taskgen/generator"
	"github.com/taskgen/taskgen/generator/diag"
	"github.com/taskgen/taskgen/generator/load"
	"github.com/taskgen/taskgen/generator/output"
)

// Variable is the environment variable that names the folder of the cache, or turns
// the cache off when it is "off". Without it the folder is taskgen in the user's
// cache directory.
const Variable = "TASKGEN_CACHE"

// format is part of every key. It changes when entries do.
const format = "1"

// A Cache is a folder of entries, one for each run that is remembered. It may be
// used by several goroutines and by several processes at once. A nil Cache
// remembers nothing.
type Cache struct {
	dir     string
	program func() (load.Sum, error) // the sum of the program that runs
}

// Open returns the cache that the environment names. It returns nil when the cache
// is turned off, or there is no place for it.
func Open() *Cache {
	dir := os.Getenv(Variable)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil
		}
		dir = filepath.Join(base, "taskgen")
	}
	if dir == "off" || !filepath.IsAbs(dir) {
		return nil
	}
	return New(dir)
}

// New returns the cache in a folder, which need not be there. It begins to read the
// program that runs.
func New(dir string) *Cache {
	c := &Cache{dir: dir, program: sync.OnceValues(program)}
	go func() { _, _ = c.program() }() // while the go command works
	return c
}

// program hashes the program that runs. Linux opens the very file, whatever may have
// taken its place meanwhile.
func program() (load.Sum, error) {
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

// A Run is a run of the generator.
type Run struct {
	// Result is what the run came to. Of a run that was remembered it has the
	// diagnostics and the notes alone: all files are as they should be.
	Result          *generator.Result
	Packages, Tasks int  // how many there are
	Remembered      bool // nothing had to be done

	cache   *Cache
	key     string // empty: the run cannot be remembered
	listing *generator.Listing
}

// An entry is what is remembered of a run.
type entry struct {
	Inputs          load.Inputs
	Diagnostics     []diag.Diagnostic
	Notes           []string
	Packages, Tasks int
}

// Generate is [generator.Generate], but for a run that is remembered.
func (c *Cache) Generate(ctx context.Context, cfg generator.Config) (*Run, error) {
	l, err := generator.Find(ctx, cfg)
	if err != nil {
		return nil, err
	}
	run := &Run{cache: c, listing: l}
	if c != nil {
		run.key = c.key(l)
	}
	if e := run.recall(); e != nil {
		run.Result = &generator.Result{Diagnostics: e.Diagnostics, Notes: e.Notes}
		run.Packages, run.Tasks, run.Remembered = e.Packages, e.Tasks, true
		return run, nil
	}
	run.Result, err = l.Generate(ctx)
	if err != nil {
		return nil, err
	}
	run.Packages = len(run.Result.Packages)
	for i := range run.Result.Packages {
		run.Tasks += len(run.Result.Packages[i].Tasks)
	}
	return run, nil
}

// key names the entry for runs of this program with this configuration of which the
// go command says this. It is empty when that cannot be told.
func (c *Cache) key(l *generator.Listing) string {
	program, err := c.program()
	if err != nil {
		return ""
	}
	dir, err := filepath.Abs(l.Dir)
	if err != nil {
		return ""
	}
	listing, _ := l.Trace.Listing()
	text, err := json.Marshal([]any{format, program, listing, dir, l.Patterns, l.Tags, environment(l.Env)})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
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

// recall returns what is remembered of the run, if everything is as it was.
func (r *Run) recall() *entry {
	if _, again := r.listing.Trace.Listing(); again || r.key == "" {
		return nil
	}
	data := r.cache.read(r.key)
	if data == nil {
		return nil
	}
	var e entry
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&e); err != nil || !e.Inputs.Hold() {
		return nil
	}
	return &e
}

// Remember remembers the run. written are the changes that had to be made, and were
// made, for the disk to be as the result says. A run that created or removed a file,
// or asked the go command twice, is not remembered: the go command says something
// else now.
func (r *Run) Remember(written []output.Change) {
	if r.key == "" || r.Remembered || diag.HasErrors(r.Result.Diagnostics) {
		return
	}
	if _, again := r.listing.Trace.Listing(); again {
		return
	}
	e := entry{
		Inputs: r.listing.Trace.Inputs(), Packages: r.Packages, Tasks: r.Tasks,
		Diagnostics: r.Result.Diagnostics, Notes: r.Result.Notes,
	}
	for _, c := range written {
		if c.Old == nil || c.New == nil {
			return
		}
		// Of a generated file its presence counts, and not what it holds.
		e.Inputs.Files[c.Path] = load.SumOf(c.New, nil)
	}
	for path, src := range r.Result.Files {
		if src == nil || e.Inputs.Files[path] != load.SumOf(src, nil) {
			return
		}
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(e); err == nil {
		r.cache.write(r.key, b.Bytes())
	}
}
