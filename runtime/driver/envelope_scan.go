package driver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// maxNesting is how deep the arrays and objects of a payload may nest, as in
// encoding/json.
const maxNesting = 10_000

// A scanner walks over JSON text. Its methods stop at the first invalid byte, and their
// error says which it is.
type scanner struct {
	buf []byte
	pos int
}

func (s *scanner) fail(format string, args ...any) error {
	return fmt.Errorf(format+", at byte %d", append(args, s.pos)...)
}

// unexpected is the error of a byte that is not valid here.
func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.buf) {
		return s.fail("the JSON ends where %s is due", want)
	}
	return s.fail("%q stands where %s is due", s.buf[s.pos], want)
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.buf); s.pos++ {
		if c := s.buf[s.pos]; !isSpace(c) {
			return c
		}
	}
	return 0
}

// value skips one JSON value. depth counts the arrays and objects around it.
func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		_, _, err := s.rawString()
		return err
	case c == '{' || c == '[':
		if depth >= maxNesting {
			return s.fail("the JSON is nested deeper than %d levels", maxNesting)
		}
		return s.composite(c, depth+1)
	case c == '-' || (c >= '0' && c <= '9'):
		_, err := s.number()
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return s.unexpected("a JSON value")
	}
}

// composite skips an array or object that opens here.
func (s *scanner) composite(open byte, depth int) error {
	end := open + 2 // '[' and ']', '{' and '}' are two apart in ASCII
	s.pos++
	if s.peek() == end {
		s.pos++
		return nil
	}
	for {
		if open == '{' {
			if err := s.key(); err != nil {
				return err
			}
		}
		if err := s.value(depth); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case end:
			s.pos++
			return nil
		default:
			return s.unexpected("a comma or the closing bracket")
		}
	}
}

// key skips a key and its colon.
func (s *scanner) key() error {
	if s.peek() != '"' {
		return s.unexpected("a key")
	}
	if _, _, err := s.rawString(); err != nil {
		return err
	}
	return s.colon()
}

func (s *scanner) colon() error {
	if s.peek() != ':' {
		return s.unexpected("a colon")
	}
	s.pos++
	return nil
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.buf[s.pos:], []byte(word)) {
		return s.unexpected("a JSON value")
	}
	s.pos += len(word)
	return nil
}

// number skips a number and returns its text.
func (s *scanner) number() ([]byte, error) {
	start := s.pos
	s.accept("-")
	switch {
	case s.accept("0"):
	case !s.digits():
		return nil, s.unexpected("a digit")
	}
	if s.accept(".") && !s.digits() {
		return nil, s.unexpected("a digit")
	}
	if s.accept("eE") {
		s.accept("+-")
		if !s.digits() {
			return nil, s.unexpected("a digit")
		}
	}
	return s.buf[start:s.pos], nil
}

// accept skips the next byte if it is in set.
func (s *scanner) accept(set string) bool {
	if s.pos < len(s.buf) {
		for i := range len(set) {
			if s.buf[s.pos] == set[i] {
				s.pos++
				return true
			}
		}
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.buf) && s.buf[s.pos] >= '0' && s.buf[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// rawString skips the string that opens here. It returns the bytes between its quotes,
// and whether they contain escapes.
func (s *scanner) rawString() (raw []byte, escaped bool, err error) {
	start := s.pos + 1
	for i := start; i < len(s.buf); i++ {
		for i+8 <= len(s.buf) {
			marks := special(binary.LittleEndian.Uint64(s.buf[i:]))
			if marks != 0 {
				i += bits.TrailingZeros64(marks) / 8
				break
			}
			i += 8
		}
		if i == len(s.buf) {
			break
		}
		switch c := s.buf[i]; {
		case c == '"':
			s.pos = i + 1
			return s.buf[start:i], escaped, nil
		case c == '\\':
			escaped = true
			s.pos = i
			n := escapeLen(s.buf[i:])
			if n == 0 {
				return nil, false, s.fail("a bad escape in a string")
			}
			i += n - 1
		case c < ' ':
			s.pos = i
			return nil, false, s.fail("a control character (0x%02x) in a string", c)
		}
	}
	s.pos = len(s.buf)
	return nil, false, s.unexpected("the end of a string")
}

// special marks the bytes of w that end or escape a string (a quote, a backslash or a
// control character). The lowest mark is the top bit of the first such byte; higher marks
// may be wrong. Strings make up most of the bytes of most payloads, and special is twice
// as fast on them as a check of each byte (see BenchmarkEnvelope). After "Determine if a
// word has a zero byte" and "has a byte less than n" in S. E. Anderson's Bit Twiddling
// Hacks.
func special(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^(ones*'"'), w^(ones*'\\')
	return ((w-ones*' ')&^w | (quote-ones)&^quote | (backslash-ones)&^backslash) & tops
}

// escapeLen is the length of the escape that b begins with, 0 of an invalid one.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads an escape of a backslash, a u and four hexadecimal digits.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// text reads the string that opens here. A string without escapes shares the scanner's
// bytes, which must never change afterwards.
func (s *scanner) text() (string, error) {
	if s.peek() != '"' {
		return "", s.unexpected("a string")
	}
	at := s.pos
	raw, escaped, err := s.rawString()
	if err != nil {
		return "", err
	}
	if !escaped {
		return unsafe.String(unsafe.SliceData(raw), len(raw)), nil
	}
	out, ok := unescape(raw)
	if !ok {
		s.pos = at
		return "", s.fail("half of a surrogate pair in a string")
	}
	return out, nil
}

// unescape resolves the escapes of a string, which rawString has checked. It reports
// false for half a surrogate pair, which UTF-8 cannot encode.
func unescape(raw []byte) (string, bool) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		if raw[i+1] != 'u' {
			out = append(out, unescaped(raw[i+1]))
			i += 2
			continue
		}
		r, _ := hex4(raw[i:])
		i += 6
		if utf16.IsSurrogate(r) {
			low, _ := hex4(raw[i:]) // 0 where none follows
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return "", false
			}
			i += 6
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out), true
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default: // quote, backslash, slash
		return c
	}
}

// checkJSON reports why p is not one JSON value in UTF-8, or nil.
func checkJSON(p []byte) error {
	if !utf8.Valid(p) {
		return errors.New("it is not valid UTF-8")
	}
	s := scanner{buf: p}
	if err := s.value(0); err != nil {
		return err
	}
	if s.peek(); s.pos < len(p) {
		return s.unexpected("the end")
	}
	return nil
}
