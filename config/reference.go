package config

import (
	"fmt"
	"strings"
)

// Reference returns the URLs and the options of the registered providers, as Markdown: what
// docs/configuration.md has of those of this module. A program that registers a provider of
// its own can print it for its users.
func Reference() string {
	var b strings.Builder
	for i, r := range registry.all() {
		if i > 0 {
			b.WriteString("\n")
		}
		r.describe(&b)
	}
	return b.String()
}

func (r *registered) describe(b *strings.Builder) {
	fmt.Fprintf(b, "### %s\n\n", r.name)
	if path := r.options.PkgPath(); path != "" {
		fmt.Fprintf(b, "    import _ %q\n\n", path)
	}
	b.WriteString("| URL | leads to |\n|---|---|\n")
	for _, f := range r.forms {
		fmt.Fprintf(b, "| `%s` | %s |\n", f.Example, f.Text)
	}
	if len(r.fields) == 0 {
		b.WriteString("\nThere are no options.\n")
	} else {
		b.WriteString("\n| option | type | default | meaning |\n|---|---|---|---|\n")
		describeFields(b, "", r.fields)
	}
	for _, text := range r.clientParameters() {
		b.WriteString("\n" + text + "\n")
	}
}

func describeFields(b *strings.Builder, under string, fields []field) {
	for _, f := range fields {
		kind := f.kind()
		if len(f.enum) > 0 {
			kind = "`" + strings.Join(f.enum, "`, `") + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", under+f.name, kind, f.zero, f.doc)
		describeFields(b, under+f.name+".NAME.", f.under)
	}
}

// clientParameters says which parameters of each form go to the client, once for forms that
// have the same ones.
func (r *registered) clientParameters() []string {
	var lists []string
	of := make(map[string][]string)
	for _, f := range r.forms {
		list := strings.Join(f.Parameters, "`, `")
		if list == "" {
			continue
		}
		if of[list] == nil {
			lists = append(lists, list)
		}
		of[list] = append(of[list], f.Scheme)
	}
	for i, list := range lists {
		lists[i] = fmt.Sprintf("Parameters of the client in a URL with `%s`: `%s`.", strings.Join(of[list], "` or `"), list)
	}
	return lists
}
