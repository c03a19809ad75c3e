package analyze

import "go/types"

// modules says where packages come from, by their import paths.
type modules interface {
	Foreign(path string) bool  // of another module than those that are worked on
	Standard(path string) bool // one of Go's own
}

// An info answers what encoding/json makes of the types that a package uses, and keeps
// what it has found out about them. It is for one goroutine.
type info struct {
	pkg     *types.Package
	modules modules

	plain   map[visit]bool            // types that travel, and hold neither tags nor what is to be warned of
	leaky   map[*types.Named]bool     // types of other packages that hold what is to be warned of
	tagged  map[types.Type]*types.Var // what taggedField has found out
	oneWay  map[*types.Named]bool     // what readByFields has found out
	objects map[*types.Struct]jsonObject
}

func newInfo(pkg *types.Package, m modules) *info {
	return &info{
		pkg: pkg, modules: m,
		plain: make(map[visit]bool), leaky: make(map[*types.Named]bool), tagged: make(map[types.Type]*types.Var),
		oneWay: make(map[*types.Named]bool), objects: make(map[*types.Struct]jsonObject),
	}
}

// text is a type as the package's own files would write it, for people.
func (in *info) text(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == in.pkg {
			return ""
		}
		return p.Name()
	})
}

// elsewhere says whether a package is of a module that is neither worked on nor Go's
// own.
func (in *info) elsewhere(pkg *types.Package) bool {
	return in.modules.Foreign(pkg.Path()) && !in.modules.Standard(pkg.Path())
}
