package diag

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// Text writes diagnostics for people:
//
//	tasks.go:12:26: queue embedings is not declared [QUEUE_UNDECLARED]
//	   12 | //taskgen:task queue=embedings timeout=2m
//	      |                ^^^^^^^^^^^^^^^
//	  fix: did you mean embeddings?
//	  tasks.go:4:1: …
//
// The last line is the related position, if there is one. A warning says so before its
// message. Paths below base are relative to it. There is no excerpt of a source file that
// cannot be read. Very long texts are cut, and invisible characters are escaped: see
// [Visible].
func Text(w io.Writer, ds []Diagnostic, base string) error {
	out := bufio.NewWriter(w)
	sources := make(map[string][]string)
	for _, d := range ds {
		severity := ""
		if d.Severity == Warning {
			severity = "warning: "
		}
		fmt.Fprintf(out, "%s: %s%s [%s]\n", place(base, d.Pos), severity, short(d.Message), d.Rule)
		excerpt(out, lines(sources, d.Pos.File), d)
		if d.Fix != "" {
			fmt.Fprintf(out, "  fix: %s\n", short(d.Fix))
		}
		if d.Related != nil {
			fmt.Fprintf(out, "  %s: %s\n", place(base, d.Related.Pos), short(d.Related.Note))
		}
	}
	return out.Flush()
}

// GitHub writes diagnostics as workflow commands, which annotate the lines of a pull
// request. Paths below base, which should be the root of the repository, are relative to
// it. A diagnostic without a file is a remark on the run.
func GitHub(w io.Writer, ds []Diagnostic, base string) error {
	out := bufio.NewWriter(w)
	for _, d := range ds {
		if d.Pos.File == "" {
			fmt.Fprintf(out, "::%s::%s\n", d.Severity, message.Replace(Visible(d.Message)))
			continue
		}
		fmt.Fprintf(out, "::%s file=%s,line=%d,col=%d", d.Severity, property.Replace(Visible(filepath.ToSlash(relative(base, d.Pos.File)))), d.Pos.Line, d.Pos.Column)
		if d.End > d.Pos.Column {
			fmt.Fprintf(out, ",endColumn=%d", d.End-1)
		}
		text := short(d.Message)
		if d.Fix != "" {
			text += "\nfix: " + short(d.Fix)
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

// Bounds of what is shown of a line and of a message, in bytes.
const (
	maxLine = 240
	maxText = 2000
)

// short is a text for one line, cut if it is too long to read.
func short(text string) string {
	if len(text) > maxText {
		end := maxText
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	return Visible(text)
}

// excerpt writes the line of a diagnostic, with carets under its characters. Of a long
// line it shows the part around them.
func excerpt(w io.Writer, lines []string, d Diagnostic) {
	if d.Pos.Line < 1 || d.Pos.Line > len(lines) {
		return
	}
	line := lines[d.Pos.Line-1]
	from, to := d.Pos.Column-1, d.End-1
	if rest, ok := strings.CutPrefix(line, "\ufeff"); ok {
		from, to, line = from-(len(line)-len(rest)), to-(len(line)-len(rest)), rest
	}
	from = min(max(from, 0), len(line))
	to = min(max(to, from), len(line))
	start, end := window(line, from)
	to = min(to, end)
	before, after := "", ""
	if start > 0 {
		before = "…"
	}
	if end < len(line) {
		after = "…"
	}
	// Tabs are kept, so that the carets align whatever the width of a tab.
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, before+Visible(line[start:from]))
	carets := strings.Repeat("^", max(1, utf8.RuneCountInString(Visible(line[from:to]))))
	fmt.Fprintf(w, "%5d | %s%s%s\n      | %s%s\n", d.Pos.Line, before, Visible(line[start:end]), after, indent, carets)
}

// window is the stretch of a line to show, around a place in it.
func window(line string, around int) (start, end int) {
	if len(line) <= maxLine {
		return 0, len(line)
	}
	start = max(0, min(around-maxLine/4, len(line)-maxLine))
	for start > 0 && !utf8.RuneStart(line[start]) {
		start--
	}
	end = min(len(line), start+maxLine)
	for end < len(line) && !utf8.RuneStart(line[end]) {
		end++
	}
	return start, end
}

// lines returns the lines of a file, nil if it cannot be read. Each file is read once.
func lines(sources map[string][]string, file string) []string {
	if ls, ok := sources[file]; ok {
		return ls
	}
	var ls []string
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
		if src, err := os.ReadFile(file); err == nil {
			ls = strings.Split(strings.ReplaceAll(string(src), "\r\n", "\n"), "\n")
		}
	}
	sources[file] = ls
	return ls
}

func place(base string, p model.Pos) string {
	return fmt.Sprintf("%s:%d:%d", Visible(relative(base, p.File)), p.Line, p.Column)
}

func relative(base, file string) string {
	if rel, err := filepath.Rel(base, file); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return file
}
