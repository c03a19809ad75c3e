package report

import (
	"strings"
	"unicode/utf8"
)

// columns is how wide a terminal is at least.
const columns = 80

// Wrap breaks a text between words into lines that fit a terminal, each of them
// indented. A longer word has a line of its own.
func Wrap(text string, indent int) string {
	margin := strings.Repeat(" ", indent)
	var b strings.Builder
	used := columns
	for _, w := range strings.Fields(text) {
		n := utf8.RuneCountInString(w)
		if used+1+n > columns {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(margin + w)
			used = indent + n
			continue
		}
		b.WriteString(" " + w)
		used += 1 + n
	}
	return b.String()
}
