package shape

import (
	"bytes"
	"errors"
	"go/token"
	"strconv"
	"unicode/utf8"
)

// Marks in a canonical text for parts that do not count. Neither byte can be in Go
// source.
const (
	slot   = 0 // and a letter after it: a name of the task
	anyone = 1 // a string whose value does not matter
)

// ErrOdd is the error of a text that this package does not handle.
var ErrOdd = errors.New("not a list of declarations, or it contains multi-line comments or carriage returns")

// A scanner brings declarations to their canonical text: without comments, with one
// space or line break instead of several, and with marks for names of a task and for
// strings.
type scanner struct {
	names   map[string]byte    // the letters of names
	used    map[string]bool    // the names before a dot
	comment func([]byte) error // called for each comment; nil: not called
	each    func(word []byte)  // called for each identifier and keyword; nil: not called
	// Of the last text: the first opening brace outside of parentheses and brackets,
	// and the commas directly in it, with its closing brace.
	body  place
	parts []place
	lines bool // it has a line break or a semicolon outside of them
}

// A place is an offset in the source and the one in the canonical text.
type place struct{ src, out int }

// scan appends the canonical text of src to out.
func (s *scanner) scan(out, src []byte) ([]byte, error) {
	s.body, s.parts, s.lines = place{-1, -1}, s.parts[:0], false
	var (
		first = len(out)
		depth = 0
		last  byte // the last byte that is no space
		prev  byte // and the one before it
		in    bool // after body
		word  []byte
		line  bool // there was one, and nothing since
	)
	for i := 0; i < len(src); {
		c := src[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\n':
			mark := byte(' ')
			for ; i < len(src) && (src[i] == ' ' || src[i] == '\t' || src[i] == '\n'); i++ {
				if src[i] == '\n' {
					mark = '\n'
				}
			}
			if len(out) > first {
				out = append(out, mark)
				line = line || mark == '\n' && depth == 0
			}
			continue
		case letter(c):
			for i++; i < len(src) && (letter(src[i]) || digit(src[i])); i++ {
			}
			out = s.word(out, src[start:i], i < len(src) && src[i] == '.')
		case digit(c):
			for i++; i < len(src) && (letter(src[i]) || digit(src[i]) || src[i] == '.'); i++ {
			}
			out = append(out, src[start:i]...)
		case c == '"' || c == '\'' || c == '`':
			end, err := quoted(src[i:])
			if err != nil {
				return nil, err
			}
			i += end
			if c != '\'' && valid(src[start:i]) && free(prev, last, src[i:]) {
				out = append(out, anyone)
			} else {
				out = append(out, src[start:i]...)
			}
		case c == '/' && i+1 < len(src) && src[i+1] == '/':
			end := bytes.IndexByte(src[i:], '\n')
			if end < 0 {
				end = len(src) - i
			}
			i += end
			if err := s.remark(src[start:i]); err != nil {
				return nil, err
			}
			continue
		case c == '/' && i+1 < len(src) && src[i+1] == '*', c == '\r', c == slot, c == anyone:
			return nil, ErrOdd
		default:
			i++
			switch c {
			case '(', '[':
				depth++
			case ')', ']':
				depth--
			case '{':
				if depth == 0 && s.body.src < 0 {
					s.body, in = place{i, len(out) + 1}, true
				}
				depth++
			case '}':
				if depth--; depth == 0 && in {
					s.parts, in = append(s.parts, place{start, len(out)}), false
				}
			case ',':
				if depth == 1 && in {
					s.parts = append(s.parts, place{start, len(out)})
				}
			}
			out = append(out, c)
		}
		s.lines, line = s.lines || line, c == ';' && depth == 0
		word = src[start:i]
		prev, last = last, src[i-1]
		if i-start > 1 {
			prev = ' '
		}
	}
	if depth != 0 || !ends(word) {
		return nil, ErrOdd
	}
	for len(out) > first && (out[len(out)-1] == ' ' || out[len(out)-1] == '\n') {
		out = out[:len(out)-1]
	}
	return out, nil
}

// ends reports whether a text with this last token ends with its last line: Go's
// scanner puts a semicolon there, and the next line is no part of it.
func ends(last []byte) bool {
	if len(last) == 0 {
		return true
	}
	switch c := last[len(last)-1]; {
	case letter(c):
		return !token.IsKeyword(string(last))
	default:
		return digit(c) || bytes.IndexByte([]byte(")]}\"'`"), c) >= 0
	}
}

// word appends an identifier or a keyword. before says that a dot follows.
func (s *scanner) word(out, word []byte, before bool) []byte {
	if s.each != nil {
		s.each(word)
	}
	if before && !s.used[string(word)] {
		s.used[string(word)] = true
	}
	if n, ok := s.names[string(word)]; ok {
		return append(out, slot, n)
	}
	return append(out, word...)
}

func (s *scanner) remark(text []byte) error {
	if bytes.IndexByte(text, '\r') >= 0 {
		return ErrOdd
	}
	if s.comment == nil {
		return nil
	}
	return s.comment(text)
}

func letter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// quoted returns the length of the string or rune at the beginning of the text.
func quoted(src []byte) (int, error) {
	if src[0] == '`' {
		end := bytes.IndexByte(src[1:], '`')
		if end < 0 {
			return 0, ErrOdd
		}
		return end + 2, nil
	}
	for i := 1; i < len(src) && src[i] != '\n'; i++ {
		switch src[i] {
		case '\\':
			i++
		case src[0]:
			return i + 1, nil
		}
	}
	return 0, ErrOdd
}

// valid reports whether the compiler accepts the string, whatever it contains.
func valid(text []byte) bool {
	if text[0] == '`' || bytes.IndexByte(text, '\\') < 0 {
		return true
	}
	_, err := strconv.Unquote(string(text))
	return err == nil
}

// plain reports whether a text contains nothing that the compiler refuses everywhere.
func plain(text []byte) bool {
	return utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 && !bytes.Contains(text, []byte("\ufeff"))
}

// free reports whether no rule of the language depends on the value of a string: it is
// an element, a value or an argument, or a piece of one. It is not compared or indexed,
// it is no case, key or tag, and it is not the only argument of a function.
func free(prev, last byte, after []byte) bool {
	switch last {
	case ',', '{', ':', '+':
	case '=':
		if prev == '=' || prev == '!' || prev == ':' || prev == '<' || prev == '>' {
			return false
		}
	default:
		return false
	}
	after = bytes.TrimLeft(after, " \t")
	if len(after) == 0 {
		return true
	}
	switch after[0] {
	case ',', ')', '}', '+', '\n':
		return true
	}
	return false
}
