package analyze

import (
	"slices"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// aliases are the names that the files of the tasks give to imported packages. If two
// files differ about a package, the first file by name wins, with a name or without.
func (b *builder) aliases(tasks []*directive.Type) []model.Import {
	name := func(t *directive.Type) string { return b.prog.Fset.File(t.File.Package).Name() }
	files := slices.Clone(tasks)
	slices.SortStableFunc(files, func(x, y *directive.Type) int { return strings.Compare(name(x), name(y)) })
	var (
		seen = make(map[string]bool)
		all  []model.Import
	)
	for _, t := range files {
		for _, spec := range t.File.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil || spec.Name != nil && (spec.Name.Name == "_" || spec.Name.Name == ".") || seen[path] {
				continue
			}
			if seen[path] = true; spec.Name != nil {
				all = append(all, model.Import{Path: path, Name: spec.Name.Name})
			}
		}
	}
	slices.SortFunc(all, func(x, y model.Import) int { return strings.Compare(x.Path, y.Path) })
	return all
}
