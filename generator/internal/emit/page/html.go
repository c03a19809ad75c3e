package page

import (
	_ "embed"
	"html/template"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

//go:embed page.html
var source string

var document = template.Must(template.New("page").Funcs(template.FuncMap{
	"mark": func(c page) template.HTML { return template.HTML("<!-- " + c.Mark + " -->") }, // import paths hold no markup
}).Parse(source))

// HTML is the page as one file, without scripts and without anything to download.
func HTML(p *model.Package) string {
	var b strings.Builder
	if err := document.Execute(&b, of(p)); err != nil {
		panic(err) // a Builder takes everything, and a test executes each branch
	}
	return b.String()
}
