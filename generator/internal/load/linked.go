package load

import "golang.org/x/tools/go/packages"

// Linked reports whether a package that the program knows imports both of two packages,
// given by their import paths, directly or not; it may be one of the two.
func (p *Program) Linked(a, b string) bool {
	above := p.importers(a)
	for m := range p.importers(b) {
		if above[m] {
			return true
		}
	}
	return false
}

// importers are the packages that import a package, directly or not, and itself.
func (p *Program) importers(path string) map[*packages.Package]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.above == nil {
		p.above = make(map[*packages.Package][]*packages.Package)
		for _, m := range p.meta {
			for _, im := range m.Imports {
				p.above[im] = append(p.above[im], m)
			}
		}
	}
	found := make(map[*packages.Package]bool)
	queue := []*packages.Package{p.paths[path]}
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		if m != nil && !found[m] {
			found[m] = true
			queue = append(queue, p.above[m]...)
		}
	}
	return found
}
