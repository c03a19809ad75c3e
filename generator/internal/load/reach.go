package load

import (
	"go/ast"
	"go/token"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// A reach is the set of declarations that some roots need to be type-checked, across
// packages. It is found by name only and rather too large than too small: a name counts
// wherever it occurs.
type reach struct {
	prog      *Program
	kept      map[*unit]*kept
	whole     map[*source]bool // files that are kept whole
	queue     []request
	requested map[request]bool
}

// kept is the reached part of one unit.
type kept struct {
	nodes   map[ast.Node]bool // GenDecls of constants, specs of types and variables, FuncDecls
	names   map[string]bool   // the requested ones
	imports map[*ast.ImportSpec]bool
	// oversized are types that go/types sees as empty structs.
	oversized map[*ast.TypeSpec]bool
}

// A request is a name of a package that is still to be processed.
type request struct {
	id   string
	name string
}

func newReach(p *Program) *reach {
	return &reach{prog: p, kept: make(map[*unit]*kept), whole: make(map[*source]bool), requested: make(map[request]bool)}
}

func (r *reach) of(u *unit) *kept {
	k, ok := r.kept[u]
	if !ok {
		k = &kept{nodes: make(map[ast.Node]bool), names: make(map[string]bool), imports: make(map[*ast.ImportSpec]bool), oversized: make(map[*ast.TypeSpec]bool)}
		r.kept[u] = k
	}
	return k
}

// close processes requests until none is left. Packages that are new are parsed
// concurrently.
func (r *reach) close() {
	for len(r.queue) > 0 {
		round := r.queue
		r.queue = nil
		r.parse(round)
		for _, n := range round {
			if u := r.prog.unit(n.id); u != nil {
				r.keep(u, n.name)
			}
		}
	}
	r.oversized()
}

func (r *reach) parse(round []request) {
	ids := make(map[string]bool)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, n := range round {
		if !ids[n.id] {
			ids[n.id] = true
			g.Go(func() error { r.prog.unit(n.id); return nil })
		}
	}
	_ = g.Wait() // the functions return nil
}

// keep marks what a unit declares under a name, and its needs.
func (r *reach) keep(u *unit, name string) {
	k := r.of(u)
	if k.names[name] {
		return
	}
	k.names[name] = true
	for _, d := range u.decls[name] {
		r.keepDecl(u, k, d)
	}
}

func (r *reach) keepDecl(u *unit, k *kept, d *decl) {
	switch {
	case d.fn != nil:
		k.nodes[d.fn] = true
		r.signature(u, d)
	case d.gen.Tok == token.CONST:
		// The whole group: iota, and a line that repeats the one above.
		if k.nodes[d.gen] {
			return
		}
		k.nodes[d.gen] = true
		r.declared(u, d.src, d.gen)
	case d.gen.Tok == token.VAR:
		k.nodes[d.spec] = true
		if spec := d.spec.(*ast.ValueSpec); spec.Type != nil {
			r.declared(u, d.src, spec.Type)
		} else {
			r.declared(u, d.src, spec)
		}
	default:
		spec := d.spec.(*ast.TypeSpec)
		k.nodes[spec] = true
		r.declared(u, d.src, spec)
		// All methods: they decide how a value is encoded, and which constraints it
		// meets.
		for _, m := range u.methods[spec.Name.Name] {
			k.nodes[m.fn] = true
			r.signature(u, m)
		}
	}
}

func (r *reach) signature(u *unit, d *decl) {
	if d.fn.Recv != nil {
		r.declared(u, d.src, d.fn.Recv)
	}
	r.declared(u, d.src, d.fn.Type)
}

// declared requests every name in a part of a declaration, except those of a file that
// is kept whole: keepWhole requests these.
func (r *reach) declared(u *unit, src *source, part ast.Node) {
	if !r.whole[src] {
		r.walk(u, src, part)
	}
}

// keepWhole marks all of some files, bodies included, and their needs. These include
// the names that they declare, which other files may declare as well.
func (r *reach) keepWhole(u *unit, sources ...*source) {
	for _, src := range sources {
		r.whole[src] = true
	}
	for _, src := range sources {
		for _, d := range src.file.Decls {
			if gen, ok := d.(*ast.GenDecl); !ok || gen.Tok != token.IMPORT {
				r.walk(u, src, d) // the names that it declares are among those in it
			}
		}
	}
}

// walk requests every name in a piece of syntax.
func (r *reach) walk(u *unit, src *source, root ast.Node) {
	k := r.of(u)
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				if im, ok := src.imports[x.Name]; ok {
					k.imports[im.spec] = true
					r.ask(u, im.path, n.Sel.Name)
					return false
				}
			}
			r.walk(u, src, n.X)
			return false
		case *ast.Field: // its names are its own
			r.walk(u, src, n.Type)
			return false
		case *ast.Ident:
			r.keepName(u, src, n.Name)
		}
		return true
	})
}

// keepName requests an unqualified name: one of the package, or else of a dot import of
// its file.
func (r *reach) keepName(u *unit, src *source, name string) {
	if _, ok := u.decls[name]; ok {
		r.keep(u, name)
		return
	}
	for _, im := range src.dots {
		r.of(u).imports[im.spec] = true
		r.ask(u, im.path, name)
	}
}

func (r *reach) ask(u *unit, path, name string) {
	if m := u.imported(path); m != nil {
		r.add(request{m.ID, name})
	}
}

func (r *reach) add(n request) {
	if !r.requested[n] {
		r.requested[n] = true
		r.queue = append(r.queue, n)
	}
}
