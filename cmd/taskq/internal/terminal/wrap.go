package terminal

import "strings"

// leastWrapped is the least width that texts are broken to: below it they would be columns of
// single words.
const leastWrapped = 20

// Wrap breaks a text into lines of at most width characters: at its own ends of lines, between
// words, and within words that are longer. A width of 0 is as wide as need be.
func Wrap(text string, width int) []string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		lines = append(lines, wrapLine(line, width)...)
	}
	return lines
}

func wrapLine(line string, width int) (lines []string) {
	if width <= 0 {
		return []string{line}
	}
	width = max(width, leastWrapped)
	rest := []rune(line)
	for len(rest) > width {
		at := wordEnd(rest[:width+1])
		lines = append(lines, string(rest[:at]))
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
	}
	return append(lines, string(rest))
}

// wordEnd is the end of the last word that is whole within a text, or all but its last character.
func wordEnd(text []rune) int {
	for i := len(text) - 1; i > 0; i-- {
		if text[i] == ' ' && text[i-1] != ' ' {
			return i
		}
	}
	return len(text) - 1
}
