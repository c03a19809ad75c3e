package check

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// outputs: each is in the module.
func (c *checker) outputs() {
	for i := range c.p.Outputs {
		o := &c.p.Outputs[i]
		if rel, err := filepath.Rel(c.p.Root, c.p.Absolute(o.Path)); err != nil || !filepath.IsLocal(rel) {
			c.report(rule.OutputPath, o.Place, "write a path with fewer ..", "%s=%s is outside of the module", o.Format, o.Path)
		}
	}
}

// outputs compares the packages of a run, and the outputs of each: no two have the same
// path, also where a file system does not distinguish letters by case, and none needs a
// folder where another has a file.
func outputs(pkgs []model.Package) []diag.Diagnostic {
	type claim struct {
		pkg    *model.Package
		output *model.Output
		file   bool // not only a folder that a file needs
	}
	var ds []diag.Diagnostic
	claims := make(map[string]claim)
	for i := range pkgs {
		p := &pkgs[i]
		reported := make(map[*model.Output]bool)
		for _, f := range p.OutputFiles() {
			at := filepath.ToSlash(p.Absolute(f.Path))
			for file := true; len(at) > len(p.Root) && at != path.Dir(at); at, file = path.Dir(at), false {
				first, taken := claims[strings.ToLower(at)]
				if taken && (first.file || file) && !reported[f.Output] {
					reported[f.Output] = true
					d := rule.OutputTaken.At(f.Output.Place, "", "%s is an output already: %s=%s of package %s", f.Path, first.output.Format, first.output.Path, first.pkg.Path)
					ds = append(ds, rule.Related(d, first.output.Place.Pos, "the other one"))
				}
				if !taken {
					claims[strings.ToLower(at)] = claim{p, f.Output, file}
				}
			}
		}
	}
	return ds
}
