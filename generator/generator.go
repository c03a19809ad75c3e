// Package generator turns annotated structs into typed code for background tasks.
// Generate is a pure function: source files in, generated files and diagnostics out;
// the caller writes them. The package also has everything else that command taskgen
// needs.
package generator

import (
	"context"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/taskgen/taskgen/generator/internal/cache"
	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/compat"
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/emit"
	"github.com/taskgen/taskgen/generator/internal/emit/catalog"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/lock"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/output"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// Config says which packages to read.
type Config struct {
	Dir      string   // where patterns are resolved; empty: the current directory
	Patterns []string // as for go list, ./... included; none: "."
	Tags     string   // build tags, separated by commas
	Env      []string // environment of the go command; nil: that of this process
	// Cache is the folder that remembers runs which found nothing to do: see
	// [Result.Remember]. It need not exist. Empty: nothing is remembered.
	Cache string
	// Catalog is the absolute path of a file with descriptions of the tasks in all packages,
	// for programs without their code. A run with one is not remembered. Empty: there is
	// none.
	Catalog string
	// Accept is the reason for which every change that tasks in queues do not survive is
	// accepted; the lock of the package records it. Empty: such a change is an error. A run
	// that accepts, forgets or compares with something is not remembered.
	Accept string
	// Extinct is what no task in a queue has any more, and is to leave the locks: types
	// (mail), shapes of types (mail@0123456789ab) and queues (queue:mails). It is an error if
	// no lock of the packages has it.
	Extinct []string
	// Against is where other locks are to compare with, besides those beside the code:
	// git:REF for those at a commit, or the path of a file. Empty: nowhere.
	Against string
}

// pure reports whether the result depends on the packages alone.
func (cfg *Config) pure() bool {
	return cfg.Catalog == "" && cfg.Accept == "" && len(cfg.Extinct) == 0 && cfg.Against == ""
}

func (cfg Config) query() load.Query {
	return load.Query{Dir: cfg.Dir, Patterns: cfg.Patterns, Tags: cfg.Tags, Env: cfg.Env, Trace: new(load.Trace)}
}

// Result is the result of a run of the generator.
type Result struct {
	// Files are the generated files, the outputs that packages ask for, and the catalog, by
	// absolute path. A file whose content is nil is one that taskgen has written and that no
	// package needs any more, and should be removed.
	// With errors among the diagnostics there are no files at all.
	Files map[string][]byte
	// Packages are those with directives, sorted by path.
	Packages    []Package
	Diagnostics []Diagnostic
	// Notes are remarks without a position in the source, sorted.
	Notes []string
	// Remembered says that the cache knows the run: all files are up to date, and Files
	// is empty.
	Remembered bool

	run   *cache.Run
	roots map[string]string // the folders that outputs stay in, by their paths
}

// A Package is a package with directives.
type Package struct {
	Name  string
	Path  string // import path
	Dir   string
	Tasks []Task // in the order of files and lines
}

// A Task is a struct that is marked //taskgen:task.
type Task struct {
	Struct  string // its name
	Base    string // what the symbols that are generated for it are named after
	Type    string // its name on the wire
	Aliases []string
	Queue   string
	Timeout time.Duration
	Retries int      // after the first run
	Cron    []string // of its schedules
	// Shape names the JSON form of its payload, and Reads the other ones that it reads. Empty
	// if there are errors.
	Shape string
	Reads []string
	File  string // absolute
	Line  int
}

// Generate reads packages and returns the files that belong to them, without writing
// them. Diagnostics say what is wrong with the packages. An error means that they could
// not be analyzed, or that the generated code does not compile, which is a bug of the
// generator. The same packages give the same result.
func Generate(ctx context.Context, cfg Config) (*Result, error) {
	if !cfg.pure() {
		cfg.Cache = ""
	}
	store, query := cache.Open(cfg.Cache), cfg.query()
	listing, err := load.Find(ctx, query)
	if err != nil {
		return nil, err
	}
	r := &Result{run: store.Run(listing)}
	if r.run.Recall(r) {
		r.Remembered = true
		return r, nil
	}
	checked, err := check.Run(ctx, listing)
	if err != nil {
		return nil, err
	}
	defer func() {
		for i := range checked.Packages {
			r.Packages = append(r.Packages, packageOf(&checked.Packages[i]))
		}
	}()
	if r.Diagnostics = checked.Diagnostics; r.HasErrors() {
		return r, nil
	}
	locks, err := cfg.locks(ctx, checked, query.Trace)
	if err != nil {
		return nil, err
	}
	if r.Diagnostics = diag.Sort(append(r.Diagnostics, locks.Diagnostics...)); r.HasErrors() {
		return r, nil
	}
	emitted, err := emit.Files(ctx, checked)
	if err != nil {
		return nil, err
	}
	r.Notes = emitted.Notes
	if r.Diagnostics = diag.Sort(append(r.Diagnostics, emitted.Diagnostics...)); !r.HasErrors() {
		r.Files, r.roots = emitted.Files, emitted.Roots
		maps.Copy(r.Files, locks.Files)
		err = r.addCatalog(&cfg, checked.Packages)
	}
	return r, err
}

// locks compares the packages with the tasks that may lie in queues.
func (cfg *Config) locks(ctx context.Context, checked *check.Result, trace *load.Trace) (*compat.Result, error) {
	q := compat.Query{Accept: cfg.Accept, Trace: trace}
	for _, text := range cfg.Extinct {
		e, err := compat.ParseExtinct(text)
		if err != nil {
			return nil, err
		}
		q.Extinct = append(q.Extinct, e)
	}
	if cfg.Against != "" {
		var err error
		if q.Against, err = lock.Elsewhere(ctx, cfg.Against); err != nil {
			return nil, err
		}
	}
	return compat.Run(checked.Packages, checked.Gone(), q)
}

// addCatalog adds the catalog, if there is to be one.
func (r *Result) addCatalog(cfg *Config, packages []model.Package) error {
	if cfg.Catalog == "" {
		return nil
	}
	if r.Files[cfg.Catalog] != nil {
		return fmt.Errorf("%s: a package has the file as an output: give the catalog another name", cfg.Catalog)
	}
	text, err := catalog.Of(packages)
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.Catalog, err)
	}
	r.Files[cfg.Catalog] = text
	return nil
}

func packageOf(m *model.Package) Package {
	p := Package{Name: m.Name, Path: m.Path, Dir: m.Dir}
	for i := range m.Tasks {
		t := &m.Tasks[i]
		task := Task{
			Struct: t.Struct, Base: t.Base, Type: t.Type, Aliases: t.Aliases, Queue: t.Queue, Timeout: t.Timeout, Retries: t.Retry.Max,
			Shape: t.Form, Reads: t.Reads, File: t.Pos.File, Line: t.Pos.Line,
		}
		for i := range t.Schedules {
			task.Cron = append(task.Cron, t.Schedules[i].Cron)
		}
		p.Tasks = append(p.Tasks, task)
	}
	return p
}

// HasErrors reports whether any diagnostic is an Error.
func (r *Result) HasErrors() bool { return diag.HasErrors(r.Diagnostics) }

// Changes compares the files with the disk, and returns those that differ, sorted by
// path. It ignores what git and editors do to a file. A file at one of the paths that
// taskgen did not write is an error.
func (r *Result) Changes() ([]Change, error) {
	changes, err := output.Changes(r.Files, model.Header, catalog.Header, lock.Header)
	for i := range changes {
		changes[i].Root = r.roots[changes[i].Path]
	}
	return changes, err
}

// Remember records in the cache that a run with the same input has nothing to do. written
// are the changes that were necessary and were made. The input is the program, the
// configuration, the output of the go command and every file and folder that was read. A
// run with errors is not remembered.
func (r *Result) Remember(written []Change) {
	if !r.HasErrors() {
		r.run.Remember(Result{Packages: r.Packages, Diagnostics: r.Diagnostics, Notes: r.Notes}, r.Files, written)
	}
}

// A Diagnostic is one finding, with its position and how to fix it.
type Diagnostic = diag.Diagnostic

// The severities of a diagnostic. Nothing is written when there is an Error.
const (
	Error   = diag.Error
	Warning = diag.Warning
)

// WriteDiagnostics writes diagnostics in one of the formats text, for people and with the
// source lines; github, as workflow commands of GitHub Actions; and sarif, as a log of SARIF
// 2.1.0. Paths below base are relative to it; for github and sarif it should be the root of
// the repository. A diagnostic without a file is a remark on the run.
func WriteDiagnostics(w io.Writer, format string, ds []Diagnostic, base string) error {
	switch format {
	case "github":
		return diag.GitHub(w, ds, base)
	case "sarif":
		return diag.SARIF(w, ds, base, func(id string) string {
			r, ok := rule.Find(id)
			if !ok {
				return ""
			}
			return r.What
		})
	}
	return diag.Text(w, ds, base)
}

// NewWriter returns a writer for output in one of the formats text, json, github and sarif. It
// escapes everything that a terminal, a log or a CI system would interpret: names of
// files, source text and the output of other programs are not trusted.
func NewWriter(w io.Writer, format string) *diag.Writer { return diag.NewWriter(w, format) }

// Visible is a text on one line in which everything is visible: control characters and
// the like are escaped.
func Visible(s string) string { return diag.Visible(s) }

// A Change is a generated file that is not up to date.
type Change = output.Change

// Write brings the disk up to date. It replaces no file before the content of all is on
// the disk, and replaces each in one step.
func Write(changes []Change) error { return output.Write(changes) }

// Explain returns the reference, or its part about a topic: a directive, a key, a tag
// or a rule. It returns an error if there is no such topic.
func Explain(topic string) (string, error) { return directive.Explain(topic) }
