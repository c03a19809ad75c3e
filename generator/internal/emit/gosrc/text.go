package gosrc

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// width of a comment's text, so that its lines stay under 80 columns.
const width = 76

// doc is a comment of one paragraph.
func doc(text string) string { return comment(wrap(text)) }

// docWith is doc with the unchanged text of a user's own comment below.
func (f *file) docWith(own, user string) string {
	lines := wrap(own)
	if user = strings.TrimSpace(user); user != "" {
		lines = append(append(lines, ""), strings.Split(user, "\n")...)
		f.rough = !prose.MatchString(user)
	}
	return comment(lines)
}

// prose is text without special meaning in a doc comment: one paragraph of words.
var prose = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 (),;.]*(\n[A-Za-z][A-Za-z0-9 (),;.]*)*$`)

// comment makes lines of text a comment, and nothing else: it quotes text that a tool
// would take for a directive.
func comment(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		line = strings.TrimRight(line, " \t\r")
		if text := strings.TrimSpace(line); marker.MatchString(text) {
			line = "`" + text + "`"
		}
		b.WriteString("//")
		if line != "" {
			b.WriteString(" " + line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// marker is the begin of a line that has a meaning even after a space: +build and other
// markers with a plus, and directives for linters.
var marker = regexp.MustCompile(`^(\+[A-Za-z]|nolint\b|lint:|#nosec\b|exhaustive:|revive:)`)

// wrap breaks a text, whose words have one space between them, into lines.
func wrap(text string) []string {
	var lines []string
	for len(text) > width {
		end := strings.LastIndexByte(text[:width+1], ' ')
		if end < 0 {
			end = strings.IndexByte(text, ' ')
		}
		if end < 0 {
			break
		}
		lines, text = append(lines, text[:end]), text[end+1:]
	}
	return append(lines, text)
}

var units = []struct {
	size time.Duration
	name string
}{
	{time.Hour, "Hour"},
	{time.Minute, "Minute"},
	{time.Second, "Second"},
	{time.Millisecond, "Millisecond"},
	{time.Microsecond, "Microsecond"},
	{time.Nanosecond, "Nanosecond"},
}

// duration prints a duration as a person would: 2 * time.Minute, time.Hour, 14 * 24 *
// time.Hour.
func (f *file) duration(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 && d >= 2*day {
		return strconv.FormatInt(int64(d/day), 10) + " * 24 * " + f.expand("$time.Hour", nil)
	}
	u := 0
	for d%units[u].size != 0 { // the last unit divides everything
		u++
	}
	unit := f.expand("$time.", nil) + units[u].name
	if d == units[u].size {
		return unit
	}
	return strconv.FormatInt(int64(d/units[u].size), 10) + " * " + unit
}

// number prints a float without an unnecessary decimal point.
func number(x float64) string { return fmt.Sprintf("%g", x) }
