package analyzer

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

var unhandledCheck = &analysis.Analyzer{
	Name: "taskunhandled",
	URL:  page("taskunhandled"),
	Doc: `report types that a program enqueues and works on without a handler

Such a program fails when it makes its pool, because NewPool refuses it, or hands the tasks on
until they die. The check looks at a main package and all packages that it imports, directly or
not. It reports a type in the main package if all of this is true:

- A package calls EnqueueX, EnqueueXBatch, ScheduleX or a function of the runtime that they
  call, or mentions RegisterSchedules where the type has a schedule. Calls with runtime.WithQueue, or
  with options in a variable, do not count.
- A package makes a pool that works on the queue of the type: NewPool with a PoolConfig literal
  without Types that names the queue, or names no queues. If the literal takes the names from
  elsewhere, or if the pool is made by Config.Build with Handlers, another type of the same
  queue must have a handler.
- No package registers a handler for the type: none mentions RegisterX or RegisterHandlers, or
  uses the spec of the type for something else than to enqueue, schedule or await.
- No package calls Router.Handle, or imports package server or config/server: these may serve
  any type.

Code in tests does not count. What is mentioned counts, whether it runs or not. A
configuration file that restricts the types of its pool is not read.`,
	FactTypes: []analysis.Fact{new(usage)},
	Run:       runUnhandled,
}

// A usage is what a package and all that it imports do with tasks. Each list is sorted, so
// that equal packages have equal facts.
type usage struct {
	Specs    []spec
	Enqueued []enqueued
	Handled  []string // keys of specs
	Pools    []workPool
	Anything bool // there may be handlers for types that cannot be seen
}

// AFact marks usage as a fact.
func (*usage) AFact() {}

func (u *usage) String() string {
	var b strings.Builder
	for _, e := range u.Enqueued {
		b.WriteString("enqueues " + path.Base(e.Key) + " ")
	}
	for _, h := range u.Handled {
		b.WriteString("handles " + path.Base(h) + " ")
	}
	for range u.Pools {
		b.WriteString("pool ")
	}
	return strings.TrimSpace(b.String())
}

// A spec is a variable of type runtime.Spec.
type spec struct {
	Key, Task, Register, Queue string
	Scheduled                  bool // by RegisterSchedules
}

// enqueued is the first place at which tasks of a spec are enqueued.
type enqueued struct{ Key, Where string }

// A workPool works on the queues that it names, on all, or on some that cannot be seen.
type workPool struct {
	All    bool
	Queues []string
}

func keyOf(v types.Object) string { return v.Pkg().Path() + "." + v.Name() }

func runUnhandled(pass *analysis.Pass) (any, error) {
	if isLibrary(pass.Pkg.Path()) {
		return nil, nil
	}
	c := collector{pass: pass, enqueued: make(map[string]token.Pos), neutral: make(map[*ast.Ident]bool)}
	for _, dep := range pass.Pkg.Imports() {
		var u usage
		if pass.ImportPackageFact(dep, &u) {
			c.add(u)
		}
		if p := dep.Path(); p == modulePath+"/server" || p == configPath+"/server" {
			c.all.Anything = true
		}
	}
	for _, f := range pass.Files {
		c.specs(f)
	}
	files := handwritten(pass, false)
	for _, f := range files {
		ast.Inspect(f, c.visit)
	}
	for key, at := range c.enqueued {
		p := pass.Fset.Position(at)
		c.all.Enqueued = append(c.all.Enqueued, enqueued{key, path.Join(pass.Pkg.Path(), filepath.Base(p.Filename)) + ":" + strconv.Itoa(p.Line)})
	}
	c.all.sort()
	if pass.Pkg.Name() == "main" {
		c.report(files)
	}
	if u := c.all; len(u.Specs)+len(u.Enqueued)+len(u.Handled)+len(u.Pools) > 0 || u.Anything {
		pass.ExportPackageFact(&u)
	}
	return nil, nil
}

// isLibrary reports whether a package belongs to taskgen itself, whose calls are on behalf of
// its callers.
func isLibrary(pkg string) bool {
	for _, tree := range []string{runtimePath, configPath, modulePath + "/server"} {
		if pkg == tree || strings.HasPrefix(pkg, tree+"/") {
			return true
		}
	}
	return false
}

func (u *usage) sort() {
	slices.SortFunc(u.Specs, func(a, b spec) int { return strings.Compare(a.Key, b.Key) })
	u.Specs = slices.Compact(u.Specs)
	slices.SortFunc(u.Enqueued, func(a, b enqueued) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return strings.Compare(a.Where, b.Where)
	})
	u.Enqueued = slices.CompactFunc(u.Enqueued, func(a, b enqueued) bool { return a.Key == b.Key })
	slices.Sort(u.Handled)
	u.Handled = slices.Compact(u.Handled)
	compare := func(a, b workPool) int {
		if a.All != b.All {
			return map[bool]int{true: -1, false: 1}[a.All]
		}
		return slices.Compare(a.Queues, b.Queues)
	}
	slices.SortFunc(u.Pools, compare)
	u.Pools = slices.CompactFunc(u.Pools, func(a, b workPool) bool { return compare(a, b) == 0 })
}

// worksOn reports whether a pool of the program gets the tasks of a queue.
func (u *usage) worksOn(queue string) bool {
	for _, p := range u.Pools {
		switch {
		case p.All || slices.Contains(p.Queues, queue):
			return true
		case p.Queues == nil:
			for _, s := range u.Specs {
				if s.Queue == queue && slices.Contains(u.Handled, s.Key) {
					return true
				}
			}
		}
	}
	return false
}

func (c *collector) report(files []*ast.File) {
	if c.all.Anything {
		return
	}
	for _, e := range c.all.Enqueued {
		i := slices.IndexFunc(c.all.Specs, func(s spec) bool { return s.Key == e.Key })
		if i < 0 || slices.Contains(c.all.Handled, e.Key) || !c.all.worksOn(c.all.Specs[i].Queue) {
			continue
		}
		s := c.all.Specs[i]
		at, where := c.enqueued[e.Key], "here"
		if !at.IsValid() {
			at, where = c.pool, "at "+e.Where
		}
		if !at.IsValid() {
			at = c.mainOf(files)
		}
		if at.IsValid() {
			c.pass.Reportf(at, "%s is enqueued %s and the program works on its queue %q, but nothing in it registers a handler for the type: call %s, or list the types that the pool is for in PoolConfig.Types", s.Task, where, s.Queue, s.Register)
		}
	}
}

// mainOf returns where people have written the main function of the program.
func (c *collector) mainOf(files []*ast.File) token.Pos {
	obj := c.pass.Pkg.Scope().Lookup("main")
	if obj == nil || !slices.ContainsFunc(files, func(f *ast.File) bool { return f.FileStart <= obj.Pos() && obj.Pos() < f.FileEnd }) {
		return token.NoPos
	}
	return obj.Pos()
}
