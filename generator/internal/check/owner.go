package check

import (
	"slices"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// owners compares the packages of a run: no two declare scheduled jobs under one owner,
// current or former.
func owners(pkgs []model.Package) []diag.Diagnostic {
	var ds []diag.Diagnostic
	for i := range pkgs {
		p := &pkgs[i]
		if p.Schedules == nil {
			continue
		}
		for j := range pkgs {
			q := &pkgs[j]
			if i == j || !q.Jobs() {
				continue
			}
			switch owner := q.Owner(); {
			case p.Owner() == owner && (i > j || p.Schedules.Owner != "" && (q.Schedules == nil || q.Schedules.Owner == "")):
				ds = append(ds, rule.ScheduleOwner.At(p.Schedules.Places.Of("schedules.owner", "schedules"), "",
					"%s and %s both declare jobs under the owner %s", p.Path, q.Path, owner))
			case slices.Contains(p.Schedules.Aliases, owner):
				ds = append(ds, rule.ScheduleOwner.At(p.Schedules.Places.Of("schedules.aliases", "schedules"), "remove the alias, or remove package "+q.Path,
					"%s is not a former owner: %s still declares jobs under it", owner, q.Path))
			}
		}
	}
	return ds
}
