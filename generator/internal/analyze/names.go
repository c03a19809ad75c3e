package analyze

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// suffix is what names of structs end with and generated names do not.
const suffix = "Task"

// baseName is what the symbols generated for a struct are named after: its name
// without Task, exported.
func baseName(structName string) string {
	name := structName
	if trimmed := strings.TrimSuffix(name, suffix); strings.Trim(trimmed, "_") != "" {
		name = strings.TrimRight(trimmed, "_")
	}
	r, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(r)) + name[size:]
}

// mixed are words whose capitals do not mark their beginnings. Names on the wire depend
// on this list: it must not change.
var mixed = []string{"GraphQL", "IPv4", "IPv6", "MySQL", "NoSQL", "OAuth", "PostgreSQL"}

// wireName is the name of a task that declares none: the base name in snake
// case. An acronym stays one word, in the plural too (URLFetch, url_fetch;
// ParseURLs, parse_urls), and digits belong to the word before them.
func wireName(base string) string {
	var (
		b    strings.Builder
		rest = []rune(base)
	)
	for len(rest) > 0 {
		n := wordLength(rest)
		word := strings.ToLower(string(rest[:n]))
		rest = rest[n:]
		if word == "_" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('_')
		}
		b.WriteString(word)
	}
	return b.String()
}

// wordLength is the number of runes of the first word.
func wordLength(rs []rune) int {
	for _, w := range mixed {
		if n := len([]rune(w)); len(rs) >= n && string(rs[:n]) == w && begins(rs[n:]) {
			return n + run(rs[n:], unicode.IsDigit)
		}
	}
	if rs[0] == '_' {
		return 1
	}
	upper := run(rs, unicode.IsUpper)
	n := upper
	switch {
	case upper == len(rs):
	case upper >= 2 && rs[upper] == 's' && begins(rs[upper+1:]): // URLs
		n = upper + 1
	case upper >= 2 && isSmall(rs[upper]): // URLFetch: the last capital begins a word
		n = upper - 1
		return n
	default: // Fetch
		n += run(rs[n:], isSmall)
	}
	n = max(n, 1)
	return n + run(rs[n:], unicode.IsDigit)
}

// begins reports whether a new word may begin here.
func begins(rs []rune) bool { return len(rs) == 0 || !isSmall(rs[0]) }

func isSmall(r rune) bool { return r != '_' && !unicode.IsUpper(r) && !unicode.IsDigit(r) }

func run(rs []rune, of func(rune) bool) int {
	n := 0
	for n < len(rs) && of(rs[n]) {
		n++
	}
	return n
}
