package gosrc

import (
	"strings"
	"unicode"
)

// plural names several values of a type in prose.
func plural(name string) string {
	if strings.HasSuffix(name, "s") {
		return "values of type " + name
	}
	return name + "s"
}

// article puts "a" or "an" before a name, by its pronunciation: an EmbeddingTask, a
// URLFetchTask, an SMSTask, a UserTask, an UploadTask.
func article(name string) string {
	letters := []rune(strings.TrimLeft(name, "_"))
	if len(letters) > 1 && spoken(letters) {
		return "an " + name
	}
	return "a " + name
}

// spoken reports whether a name begins with the sound of a vowel.
func spoken(name []rune) bool {
	first := unicode.ToUpper(name[0])
	if unicode.IsUpper(name[0]) && unicode.IsUpper(name[1]) { // an acronym is spelt out
		return strings.ContainsRune("AEFHILMNORSX", first)
	}
	word := strings.ToLower(string(name))
	for _, prefix := range []string{"hour", "hono", "heir"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	for _, prefix := range []string{"uni", "us", "ut", "ura", "eu", "one", "once"} {
		if strings.HasPrefix(word, prefix) {
			return false
		}
	}
	return strings.ContainsRune("AEIOU", first)
}
