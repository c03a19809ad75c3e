package diag

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/taskgen/taskgen/generator/model"
)

// Text writes diagnostics for people:
//
//	tasks.go:12:26: queue embedings is not declared [QUEUE_UNDECLARED]
//	   12 | //taskgen:task queue=embedings timeout=2m
//	      |                ^^^^^^^^^^^^^^^
//	  fix: did you mean embeddings?
//	  tasks.go:4:1: …
//
// The last line is the related place, where there is one. A warning says so
// before its message. Paths below base are shown relative to it. A source file
// that cannot be read lacks its excerpt.
func Text(w io.Writer, ds []Diagnostic, base string) error {
	out := bufio.NewWriter(w)
	sources := make(map[string][]string)
	for _, d := range ds {
		severity := ""
		if d.Severity == Warning {
			severity = "warning: "
		}
		fmt.Fprintf(out, "%s: %s%s [%s]\n", place(base, d.Pos), severity, d.Message, d.Rule)
		excerpt(out, lines(sources, d.Pos.File), d)
		if d.Fix != "" {
			fmt.Fprintf(out, "  fix: %s\n", d.Fix)
		}
		if d.Related != nil {
			fmt.Fprintf(out, "  %s: %s\n", place(base, d.Related.Pos), d.Related.Note)
		}
	}
	return out.Flush()
}

// GitHub writes diagnostics as workflow commands, which annotate the lines of a
// pull request. Paths below base, which should be the root of the repository,
// are relative to it.
func GitHub(w io.Writer, ds []Diagnostic, base string) error {
	out := bufio.NewWriter(w)
	for _, d := range ds {
		fmt.Fprintf(out, "::%s file=%s,line=%d,col=%d", d.Severity, property.Replace(filepath.ToSlash(relative(base, d.Pos.File))), d.Pos.Line, d.Pos.Column)
		if d.End > d.Pos.Column {
			fmt.Fprintf(out, ",endColumn=%d", d.End-1)
		}
		text := d.Message
		if d.Fix != "" {
			text += "\nfix: " + d.Fix
		}
		fmt.Fprintf(out, ",title=%s::%s\n", property.Replace(d.Rule), message.Replace(text))
	}
	return out.Flush()
}

// The characters that have a meaning in a workflow command.
var (
	message  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// excerpt writes the line of a diagnostic, with a caret under each character
// that it is about.
func excerpt(w io.Writer, lines []string, d Diagnostic) {
	if d.Pos.Line < 1 || d.Pos.Line > len(lines) {
		return
	}
	line := lines[d.Pos.Line-1]
	from := min(max(d.Pos.Column-1, 0), len(line))
	to := min(max(d.End-1, from), len(line))
	// Tabs stay what they are, so that the carets stand under their letters
	// however wide a tab is.
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, line[:from])
	carets := strings.Repeat("^", max(1, utf8.RuneCountInString(line[from:to])))
	fmt.Fprintf(w, "%5d | %s\n      | %s%s\n", d.Pos.Line, line, indent, carets)
}

// lines returns the lines of a file, nil when it cannot be read. Each file is
// read once.
func lines(sources map[string][]string, file string) []string {
	if ls, ok := sources[file]; ok {
		return ls
	}
	var ls []string
	if src, err := os.ReadFile(file); err == nil {
		ls = strings.Split(strings.ReplaceAll(string(src), "\r\n", "\n"), "\n")
	}
	sources[file] = ls
	return ls
}

func place(base string, p model.Pos) string {
	return fmt.Sprintf("%s:%d:%d", relative(base, p.File), p.Line, p.Column)
}

func relative(base, file string) string {
	if rel, err := filepath.Rel(base, file); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return file
}
