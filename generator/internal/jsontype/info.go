// Package jsontype says how encoding/json handles Go types: the fields of an object,
// what cannot be encoded and decoded, what is lost, and the shape of the JSON as a
// model. It is between load and analyze: types of go/types go in, and nothing else of
// their packages.
package jsontype

import "go/types"

// Modules says where packages come from, by their import paths.
type Modules interface {
	Foreign(path string) bool  // of another module than those that are worked on
	Standard(path string) bool // one of Go's own
}

// An Info says how encoding/json handles the types that a package uses, and caches its
// findings. It is for one goroutine.
type Info struct {
	pkg     *types.Package
	modules Modules

	plain   map[visit]bool            // types that travel, and hold neither tags nor what is to be warned of
	leaky   map[*types.Named]bool     // types of other packages that hold what is to be warned of
	tagged  map[types.Type]*types.Var // what taggedField has found out
	oneWay  map[*types.Named]bool     // what readByFields has found out
	objects map[*types.Struct]Object
}

// New returns an empty Info for a package.
func New(pkg *types.Package, m Modules) *Info {
	return &Info{
		pkg: pkg, modules: m,
		plain: make(map[visit]bool), leaky: make(map[*types.Named]bool), tagged: make(map[types.Type]*types.Var),
		oneWay: make(map[*types.Named]bool), objects: make(map[*types.Struct]Object),
	}
}

// Text is a type as the package's own files would write it, for people.
func (in *Info) Text(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == in.pkg {
			return ""
		}
		return p.Name()
	})
}

// Elsewhere reports whether a package is of a module that is neither worked on nor Go's
// own.
func (in *Info) Elsewhere(pkg *types.Package) bool {
	return in.modules.Foreign(pkg.Path()) && !in.modules.Standard(pkg.Path())
}
