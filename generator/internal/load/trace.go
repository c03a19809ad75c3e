package load

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/tools/go/packages"
)

// A Sum is a hash of an input.
type Sum [sha256.Size]byte

// A Trace is the external input of a Program: the output of the go command, and the
// content of files and folders. Programs with the same configuration and the same trace
// are the same. It is safe for concurrent use, and nil is a trace that keeps nothing.
type Trace struct {
	mu      sync.Mutex // guards all
	listing Sum
	lists   int
	inputs  Inputs
}

// Inputs are the contents of files and folders, by path.
type Inputs struct {
	Files map[string]Sum // read whole; an unreadable file has a sum as well
	Dirs  map[string]Sum // the names of their Go files
}

// Listing is the first output of the go command. again says that it ran once more, for
// packages to which the listing and the files had led.
func (t *Trace) Listing() (sum Sum, again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listing, t.lists > 1
}

// Inputs returns all inputs so far.
func (t *Trace) Inputs() Inputs {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Inputs{Files: maps.Clone(t.inputs.Files), Dirs: maps.Clone(t.inputs.Dirs)}
}

// Hold reports whether all files and folders are unchanged.
func (in Inputs) Hold() bool {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for path, sum := range in.Dirs {
		g.Go(func() error {
			entries, err := os.ReadDir(path)
			return same(sum, sumOfDir(entries, err))
		})
	}
	for path, sum := range in.Files {
		g.Go(func() error {
			return same(sum, sumOfFile(readRegular(path)))
		})
	}
	return g.Wait() == nil
}

func same(a, b Sum) error {
	if a != b {
		return fs.ErrInvalid // any error will do
	}
	return nil
}

// SumOf is the sum of a file that holds src, or cannot be read because of err.
func SumOf(src []byte, err error) Sum {
	if err != nil {
		return Sum{} // the message may contain irrelevant details
	}
	return sha256.Sum256(src)
}

func sumOfDir(entries []os.DirEntry, err error) Sum {
	if err != nil {
		return Sum{}
	}
	h := sha256.New()
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") {
			write(h, name, e.Type().String())
		}
	}
	return Sum(h.Sum(nil))
}

// write writes texts so that different lists differ.
func write(w io.Writer, texts ...string) {
	data, _ := json.Marshal(texts) // strings hold nothing that it refuses
	_, _ = w.Write(append(data, '\n'))
}

// readFile reads a regular file, and returns false for anything else: reading a pipe or
// a device would not end.
func (t *Trace) readFile(path string) (src []byte, ok bool, err error) {
	src, ok, err = readRegular(path)
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.inputs.Files = note(t.inputs.Files, path, sumOfFile(src, ok, err))
	}
	return src, ok, err
}

// Read reads a file that belongs to the input beside Go code. A file that is missing is part of
// the input, too.
func (t *Trace) Read(path string) ([]byte, error) {
	src, ok, err := t.readFile(path)
	if err == nil && !ok {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	return src, err
}

func readRegular(path string) ([]byte, bool, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, false, err
	}
	src, err := os.ReadFile(path)
	return src, err == nil, err
}

func sumOfFile(src []byte, ok bool, err error) Sum {
	if err == nil && !ok {
		err = fs.ErrInvalid
	}
	return SumOf(src, err)
}

// readDir is os.ReadDir.
func (t *Trace) readDir(path string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(path)
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.inputs.Dirs = note(t.inputs.Dirs, path, sumOfDir(entries, err))
	}
	return entries, err
}

// torn is the sum of an input that changed between two reads. No input has it.
var torn = Sum{1}

func note(sums map[string]Sum, path string, sum Sum) map[string]Sum {
	if sums == nil {
		sums = make(map[string]Sum)
	}
	if first, ok := sums[path]; ok && first != sum {
		sum = torn
	}
	sums[path] = sum
	return sums
}

// list records the output of the go command.
func (t *Trace) list(roots []*packages.Package) {
	if t == nil {
		return
	}
	sum := sumOfListing(roots)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lists++; t.lists == 1 {
		t.listing = sum
	}
}

func sumOfListing(roots []*packages.Package) Sum {
	all := make(map[string]*packages.Package)
	packages.Visit(roots, nil, func(m *packages.Package) { all[m.ID] = m })
	h := sha256.New()
	for _, m := range roots {
		write(h, m.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		m := all[id]
		write(h, m.ID, m.Name, m.PkgPath, m.Dir)
		write(h, m.GoFiles...)
		write(h, m.OtherFiles...)
		write(h, m.IgnoredFiles...)
		for _, e := range m.Errors {
			write(h, e.Pos, e.Msg)
		}
		for _, path := range slices.Sorted(maps.Keys(m.Imports)) {
			write(h, path, m.Imports[path].ID)
		}
		for module := m.Module; module != nil; module = module.Replace {
			write(h, module.Path, module.Version, module.Dir, module.GoMod, module.GoVersion)
		}
	}
	return Sum(h.Sum(nil))
}
