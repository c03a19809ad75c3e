package embed

import (
	"strings"
	"unicode"
)

// Features counts the words of a text and its pairs of neighbouring words.
func Features(text string) map[string]int {
	counts := make(map[string]int)
	before := ""
	for _, w := range Words(text) {
		counts[w]++
		if before != "" {
			counts[before+" "+w]++ // words hold no space: no pair equals a word
		}
		before = w
	}
	return counts
}

// Words are the words of a text, in lower case and without a plural's ending:
// runs of letters and digits.
func Words(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	for i, w := range words {
		words[i] = singular(w)
	}
	return words
}

// singular takes the commonest English plurals off, so that "retries" finds
// "retry". It need not be right about English, only the same for query and
// document.
func singular(w string) string {
	switch {
	case len(w) > 4 && strings.HasSuffix(w, "ies"):
		return w[:len(w)-3] + "y"
	case len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us"):
		return w[:len(w)-1]
	}
	return w
}
