package directive

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// Explain returns a piece of the reference: all of it for the empty topic, one
// directive (task), one key (task.timeout, "task timeout", or timeout of every
// directive that has it), the tags of fields (tags), one tag (secret), the table of
// rules (rules) or one rule (TASK_NO_QUEUE). For any other topic the error names the
// nearest one.
func Explain(topic string) (string, error) {
	topic = strings.TrimPrefix(strings.TrimSpace(topic), "//"+tool+":")
	switch strings.ToLower(topic) {
	case "", "all", "directives":
		return reference(), nil
	case "rules", "rule":
		return ruleTable(), nil
	case "tags", "tag":
		return tagTable(), nil
	}
	var b strings.Builder
	if spec, ok := find(topic); ok {
		writeDirective(&b, spec)
		return b.String(), nil
	}
	if r, ok := rule.Find(strings.ToUpper(topic)); ok {
		return ruleText(r), nil
	}
	only, key := "", topic
	if before, after, ok := strings.Cut(strings.ReplaceAll(topic, " ", "."), "."); ok {
		only, key = before, after
	}
	for i := range table {
		if k, ok := table[i].Key(key); ok && (only == "" || only == table[i].Name) {
			writeKey(&b, &table[i], k)
		}
	}
	for _, t := range tags {
		if t.Name == key && only == "" {
			writeTag(&b, "", t)
		}
	}
	if b.Len() == 0 {
		if near, ok := rule.Nearest(topic, topics()); ok {
			return "", fmt.Errorf("there is no topic %q: did you mean %s?", topic, near)
		}
		return "", fmt.Errorf("there is no topic %q: name a directive, a key, a tag or a rule, tags or rules for all of them, or nothing for the whole reference", topic)
	}
	return b.String(), nil
}

// topics are the topics of Explain.
func topics() []string {
	all := append(names(), "rules", "tags", "directives")
	for i := range table {
		for _, k := range table[i].Keys {
			all = append(all, k.Name, table[i].Name+"."+k.Name)
		}
	}
	all = append(all, TagNames()...)
	for _, r := range rule.Rules() {
		all = append(all, r.ID)
	}
	return all
}

func reference() string {
	var b strings.Builder
	b.WriteString("Directives are comments without a space after the slashes, directly above a\nstruct or the package clause. Values with spaces stand in quotes:\ncron=\"0 6 * * *\".\n\n")
	for i := range table {
		writeDirective(&b, &table[i])
		b.WriteByte('\n')
	}
	b.WriteString(tagTable())
	b.WriteString("\ntaskgen explain rules lists what packages are checked for.\n")
	return b.String()
}

func tagTable() string {
	var b strings.Builder
	b.WriteString("Tags of fields, separated by commas:\n\n")
	for _, t := range tags {
		writeTag(&b, "    ", t)
	}
	return b.String()
}

func writeDirective(b *strings.Builder, s *Spec) {
	fmt.Fprintf(b, "//%s:%s, on %s%s\n", tool, s.Name, where(s), many(s))
	wrap(b, "    ", s.Doc)
	fmt.Fprintf(b, "\n    %s\n\n", s.Example)
	for i := range s.Keys {
		k := &s.Keys[i]
		fmt.Fprintf(b, "    %s\n", heading(k))
		wrap(b, "        ", k.Doc)
		wrap(b, "        ", details(k))
	}
}

func many(s *Spec) string {
	if s.Many {
		return ", any number of times"
	}
	return ""
}

func writeTag(b *strings.Builder, indent string, t tagWord) {
	fmt.Fprintf(b, "%stask:%q\n", indent, t.Name)
	wrap(b, indent+"    ", t.Doc)
}

func writeKey(b *strings.Builder, s *Spec, k *Key) {
	fmt.Fprintf(b, "//%s:%s %s\n", tool, s.Name, heading(k))
	wrap(b, "    ", k.Doc)
	wrap(b, "    ", details(k))
}

// heading is a key as users write it, with an example of its value.
func heading(k *Key) string {
	if k.Positional {
		return fmt.Sprintf("%s, such as %q", k.Name, k.Example)
	}
	return k.Example
}

// details are the kind, bounds and default of a key.
func details(k *Key) string {
	parts := []string{string(k.Kind)}
	if len(k.Choices) > 0 {
		parts[0] = strings.Join(k.Choices, "|")
	}
	if k.Ending != "" {
		parts[0] += " whose name ends in " + k.Ending
	}
	if k.Max > 0 {
		parts = append(parts, fmt.Sprintf("%v to %v", k.Min, k.Max))
	}
	switch {
	case k.Required:
		parts = append(parts, "required")
	case k.Default != "" && k.Zero != "":
		parts = append(parts, "0: "+k.Zero, "default: "+k.Default)
	case k.Default != "":
		parts = append(parts, "default: "+k.Default)
	}
	return strings.Join(parts, "; ")
}

func ruleTable() string {
	var b strings.Builder
	for _, r := range rule.Rules() {
		warn := ""
		if r.Severity == diag.Warning {
			warn = " (warning)"
		}
		fmt.Fprintf(&b, "%s%s\n", r.ID, warn)
		wrap(&b, "    ", r.What)
	}
	return b.String()
}

func ruleText(r *rule.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", r.ID, r.Severity)
	wrap(&b, "    ", "What: "+r.What+".")
	wrap(&b, "    ", "Why: "+r.Why+".")
	wrap(&b, "    ", "Fix: "+r.Fix+".")
	return b.String()
}

// wrap writes a paragraph in lines of 80 columns.
func wrap(b *strings.Builder, indent, text string) {
	const width = 80
	line := indent
	for _, w := range strings.Fields(text) {
		if len(line) > len(indent) && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > width {
			fmt.Fprintln(b, line)
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += w
	}
	fmt.Fprintln(b, line)
}
