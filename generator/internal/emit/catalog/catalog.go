// Package catalog writes descriptions of tasks for programs without their code: the model
// in, JSON out. A worker publishes the same of a type.
package catalog

import (
	"fmt"

	"github.com/taskgen/taskgen/generator/internal/emit/schema"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/internal/typeinfo"
)

// Header is the line by which taskgen knows a catalog as its own.
const Header = typeinfo.FileHeader

// Of returns the catalog of the tasks of packages. A type that two of them have is an error:
// which one a task is of, nobody could say.
func Of(packages []model.Package) ([]byte, error) {
	var types []typeinfo.Type
	owners := make(map[string]string) // paths of packages, by the names of their types
	for i := range packages {
		for j := range packages[i].Tasks {
			t := &packages[i].Tasks[j]
			for _, name := range append([]string{t.Type}, t.Aliases...) {
				if other, ok := owners[name]; ok {
					return nil, fmt.Errorf("the type %q is in package %s and in package %s: a catalog has each type once: write one for each program, by naming its packages", name, other, packages[i].Path)
				}
				owners[name] = packages[i].Path
			}
			types = append(types, describe(t))
		}
	}
	return typeinfo.Encode(types)
}

func describe(t *model.Task) typeinfo.Type {
	d := typeinfo.Type{
		Name: t.Type, Aliases: t.Aliases, Queue: t.Queue, Schema: schema.Of(t).Text(), Shape: t.Form, Secrets: t.Secrets, Timeout: t.Timeout,
		MaxRetries: t.Retry.Max, Result: t.Result != nil, Retention: t.Retention,
		Retry:    typeinfo.Retry{Backoff: t.Retry.Backoff, Base: t.Retry.Base, Cap: t.Retry.Cap, Factor: t.Retry.Factor, Jitter: t.Retry.Jitter},
		Template: &typeinfo.Template{Version: typeinfo.Version, Priority: t.Priority, UniqueBy: t.UniqueMembers(), Required: t.RequiredMembers()},
	}
	if t.Unique != nil {
		d.Template.UniqueFor = t.Unique.Within
	}
	if g := t.Group(); g != nil {
		d.Template.GroupBy = g.JSON
	}
	shape := t.Shape
	if d.Template.Refused = typeinfo.Refuses(&shape, d.Template.UniqueBy, d.Template.GroupBy); d.Template.Refused == "" {
		d.Template.Payload = &shape
	}
	return d
}
