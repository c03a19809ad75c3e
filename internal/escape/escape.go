// Package escape makes names that a broker takes of names of any bytes, so that
// different names stay different.
package escape

import "strings"

const hex = "0123456789ABCDEF"

// Text writes each byte of s that is not plain as mark and two hexadecimal digits.
// mark itself is never plain, so that no two texts become the same. A text of plain
// bytes is returned as it is.
func Text(s string, mark byte, plain func(c byte) bool) string {
	first := 0
	for first < len(s) && s[first] != mark && plain(s[first]) {
		first++
	}
	if first == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:first])
	for i := first; i < len(s); i++ {
		if c := s[i]; c != mark && plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{mark, hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// But is a set of plain bytes: all but those of special.
func But(special string) func(c byte) bool {
	return func(c byte) bool { return strings.IndexByte(special, c) < 0 }
}

// Original is the text that Text made s of, with the same mark. What Text cannot have
// made stays as it is.
func Original(s string, mark byte) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == mark && i+2 < len(s) {
			high, low := strings.IndexByte(hex, s[i+1]), strings.IndexByte(hex, s[i+2])
			if high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
