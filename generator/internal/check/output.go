package check

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/directive"
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
		if o.Format != model.Terraform && o.Format != model.CloudFormation {
			continue
		}
		for _, q := range c.p.Queues {
			if why := notOnSQS(q.WithDefaults()); why != "" {
				d := c.report(rule.OutputQueue, o.Place, "", "%s: queue %s cannot be in SQS: %s", o.Format, q.Name, why)
				*d = rule.Related(*d, q.Pos, "declared here")
			}
		}
	}
}

// notOnSQS is why the runtime refuses a queue on SQS, or "".
func notOnSQS(q model.Queue) string {
	const longest = directive.MaxName - len("--later") // of the names that derive from it
	for _, name := range []string{q.Name, q.DLQ} {
		switch {
		case len(name) > longest:
			return fmt.Sprintf("%s has %d characters, and a name has at most %d there", name, len(name), longest)
		case strings.Contains(name, "--"):
			return name + " holds --, which names have there that derive from others"
		}
	}
	switch {
	case q.Retention > 14*24*time.Hour:
		return "a retention is at most 14d there"
	case q.Visibility > 12*time.Hour:
		return "a visibility is at most 12h there"
	}
	return ""
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
