package gosrc

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// width of a comment's text, so that its lines stay under 80 columns.
const width = 76

// doc is a comment of one paragraph.
func doc(text string) string { return comment(wrap(text)) }

// docWith is doc with the text of a user's own comment below, as it stands
// there.
func (f *file) docWith(own, user string) string {
	lines := wrap(own)
	if user = strings.TrimSpace(user); user != "" {
		lines = append(append(lines, ""), strings.Split(user, "\n")...)
		f.rough = !prose.MatchString(user)
	}
	return comment(lines)
}

// prose is text without anything that means something in a doc comment: one
// paragraph of words.
var prose = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 (),;.]*(\n[A-Za-z][A-Za-z0-9 (),;.]*)*$`)

// comment makes lines of text a comment, and nothing but that: what a tool would
// take for a directive in it is quoted.
func comment(lines []string) string {
	out := slices.Clone(lines)
	for i, line := range out {
		line = strings.TrimRight(line, " \t\r")
		if text := strings.TrimSpace(line); marker.MatchString(text) {
			line = "`" + text + "`"
		}
		out[i] = strings.TrimRight("// "+line, " ")
	}
	return strings.Join(out, "\n") + "\n"
}

// marker is what a line begins with that has a meaning even behind a space: +build
// and other markers with a plus, and what silences linters.
var marker = regexp.MustCompile(`^(\+[A-Za-z]|nolint\b|lint:|#nosec\b|exhaustive:|revive:)`)

func wrap(text string) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
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

// duration prints a duration as a person would: 2 * time.Minute, time.Hour,
// 14 * 24 * time.Hour.
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

// number prints a float without a decimal point that it does not need.
func number(x float64) string { return fmt.Sprintf("%g", x) }
