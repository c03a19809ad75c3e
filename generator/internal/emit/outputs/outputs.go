// Package outputs writes the files that a package asks for besides its Go file: the model
// in, the texts of files out. Each format has a package of its own, or a function here.
package outputs

import (
	"github.com/taskgen/taskgen/generator/internal/emit/asyncapi"
	"github.com/taskgen/taskgen/generator/internal/emit/page"
	"github.com/taskgen/taskgen/generator/internal/emit/schema"
	"github.com/taskgen/taskgen/generator/internal/emit/topology"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// Of returns the files of a package's outputs by absolute path. The same package gives the
// same bytes.
func Of(p *model.Package) map[string][]byte {
	files := make(map[string][]byte)
	for _, f := range p.OutputFiles() {
		files[p.Absolute(f.Path)] = []byte(text(p, f))
	}
	return files
}

func text(p *model.Package, f model.OutputFile) string {
	mark := model.Mark(p.Path)
	switch f.Output.Format {
	case model.JSONSchema:
		return schema.Of(f.Task).Marked(mark)
	case model.Markdown:
		return page.Markdown(p)
	case model.HTML:
		return page.HTML(p)
	case model.AsyncAPI:
		return asyncapi.Text(p)
	case model.Terraform:
		return topology.Terraform(p)
	case model.CloudFormation:
		return topology.CloudFormation(p)
	}
	panic("there is no format " + f.Output.Format)
}
