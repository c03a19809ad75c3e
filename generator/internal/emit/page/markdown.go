package page

import (
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// Markdown is the page in Markdown with tables, as GitHub has them. Text of the source is
// text on the page, whatever it contains.
func Markdown(p *model.Package) string {
	c := of(p)
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- %s -->\n\n# Tasks of %s\n\nPackage %s.\n", c.Mark, plain(c.Package), plain(c.Path))
	if len(c.Tasks) > 0 {
		b.WriteString("\n| task | queue | what it is |\n|---|---|---|\n")
	}
	for i, t := range p.Tasks {
		first := ""
		if len(c.Tasks[i].Doc) > 0 {
			first = c.Tasks[i].Doc[0]
		}
		fmt.Fprintf(&b, "| [%s](#task-%s) | [%s](#queue-%s) | %s |\n", plain(t.Type), anchor(t.Type), plain(t.Queue), anchor(t.Queue), plain(first))
	}
	for i := range c.Tasks {
		c.Tasks[i].markdown(&b)
	}
	for _, q := range c.Queues {
		fmt.Fprintf(&b, "\n## Queue %s\n", plain(q.Name))
		facts(q.Facts).markdown(&b)
	}
	return b.String()
}

func (t *task) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Task %s\n", plain(t.Type))
	for _, text := range t.Doc {
		fmt.Fprintf(b, "\n%s\n", paragraph(text))
	}
	facts(t.Facts).markdown(b)
	table(b, t.Fields, "It has no fields.")
	for _, p := range t.Parts {
		fmt.Fprintf(b, "\n**%s**: %s\n", plain(p.Name), strings.TrimSpace(plain(p.Kind)+" "+plain(p.Doc)))
		if p.Kind == "" {
			table(b, p.Fields, "It has no fields.")
		}
	}
}

func (f facts) markdown(b *strings.Builder) {
	b.WriteString("\n| | |\n|---|---|\n")
	for _, fact := range f {
		lines := make([]string, len(fact.Lines))
		for i, line := range fact.Lines {
			lines[i] = plain(line)
		}
		fmt.Fprintf(b, "| %s | %s |\n", plain(fact.Name), strings.Join(lines, "<br>"))
	}
}

func table(b *strings.Builder, fields []field, none string) {
	if len(fields) == 0 {
		fmt.Fprintf(b, "\n%s\n", none)
		return
	}
	b.WriteString("\n| field | JSON type | required | secret | |\n|---|---|---|---|---|\n")
	for _, f := range fields {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", plain(f.Name), plain(f.Kind), yes(f.Required), yes(f.Secret), plain(f.Doc))
	}
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}

// anchor is what GitHub makes of a name in a heading.
func anchor(name string) string { return strings.ReplaceAll(strings.ToLower(name), ".", "") }

// paragraph is plain text that begins a line: it is no list, either.
func paragraph(text string) string {
	text = plain(text)
	digits := strings.TrimLeft(text, "0123456789")
	if strings.HasPrefix(digits, ".") || strings.HasPrefix(digits, ")") || strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "=") {
		return text[:len(text)-len(digits)] + "\\" + digits
	}
	return text
}

// plain is text on one line in which nothing is markup.
func plain(text string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(text), " ") {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '|':
			b.WriteString("&#124;") // in a table no backslash hides it from all readers
		case strings.ContainsRune("\\`*_{}[]>#~$", r):
			b.WriteString("\\" + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
