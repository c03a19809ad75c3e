package config

import (
	"fmt"
	"strings"
)

// Reference returns all that can be configured, as Markdown: the keys of the file with
// their variables, the variables of the classic setup, and the URLs and options of the
// registered providers. docs/configuration.md has it for those of this module; a program
// that registers a provider of its own can print it for its users.
func Reference() string {
	var b strings.Builder
	b.WriteString("## The keys of the file\n\n")
	for _, section := range table {
		describeSection(&b, section)
	}
	b.WriteString("## The classic variables\n\n| variable | meaning |\n|---|---|\n")
	for _, v := range classicVariables {
		fmt.Fprintf(&b, "| `%s` | %s |\n", v.name, v.doc)
	}
	b.WriteString("\n## The providers\n")
	for _, r := range registry.all() {
		b.WriteString("\n")
		r.describe(&b)
	}
	return b.String()
}

func describeSection(b *strings.Builder, section field) {
	name, variable := "", ""
	if section.kind() == "map" {
		name, variable = ".NAME", "NAME_"
	}
	fmt.Fprintf(b, "### %s\n\n%s%s.\n\n", section.name+name, strings.ToUpper(section.doc[:1]), section.doc[1:])
	if section.pkg != "" {
		fmt.Fprintf(b, "    %s\n\n", importOf(section.pkg))
	}
	b.WriteString("| key | type | default | meaning | variable |\n|---|---|---|---|---|\n")
	describeKeys(b, section.under, "", variablePrefix+envName(section.name)+"_"+variable)
	b.WriteString("\n")
}

// describeKeys describes fields whose keys and variables begin with a text.
func describeKeys(b *strings.Builder, fields []field, under, variable string) {
	for _, f := range fields {
		end, keys := envName(f.name), "`"+under+f.name+"`"
		if f.kind() == "map" {
			fmt.Fprintf(b, "| %s | map | %s | %s | |\n", keys, f.zero, f.doc)
			describeKeys(b, f.under, under+f.name+".NAME.", variable+end+"_NAME_")
			continue
		}
		if f.kind() == "options" {
			end += "_OPTION"
		}
		if f.file {
			keys += ", `" + under + f.name + "_file`"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | `%s%s` |\n", keys, f.types(), f.zero, f.doc, variable, end)
	}
}

// types is the type of a field, or its possible values.
func (f field) types() string {
	if len(f.enum) > 0 {
		return "`" + strings.Join(f.enum, "`, `") + "`"
	}
	return f.kind()
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
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", under+f.name, f.types(), f.zero, f.doc)
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
