package embed

import (
	"math"
	"strings"
	"unicode"
)

// Features weighs the words of a text and its pairs of neighbouring words, by
// how often they occur and what they say: words that say nothing about a text
// count nothing, and pairs count half, for half of what they say is said by
// their words.
//
// Counts are damped to 1+ln(n): the tenth mention of a word says less than the
// first.
func Features(text string) map[string]float64 {
	weights := make(map[string]float64)
	before := ""
	for _, w := range Words(text) {
		if common[w] {
			before = ""
			continue
		}
		weights[w]++
		if before != "" {
			weights[before+" "+w]++ // words hold no space: no pair equals a word
		}
		before = w
	}
	for f, n := range weights {
		weights[f] = 1 + math.Log(n)
		if strings.Contains(f, " ") {
			weights[f] /= 2
		}
	}
	return weights
}

// common are the words that say nothing about a text, as Words gives them.
var common = set(`a an and are as at be but by can could did do does for from had
	has have how i if in into is it its may no not of on or our shall she should so
	than that the their them then there these they this those to was we were what when
	where which who why will with would you your`)

func set(words string) map[string]bool {
	all := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		all[singular(w)] = true
	}
	return all
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
