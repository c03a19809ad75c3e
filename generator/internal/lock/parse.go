package lock

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/wire"
)

// An Error is what is wrong with the file, and on which line, from 1.
type Error struct {
	Line int
	Text string
	Fix  string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s: %s", FileName, e.Line, e.Text, e.Fix) }

const (
	restore = "restore the file from version control, and run taskgen again"
	newer   = "a newer version of taskgen may have written it: use that one, or " + restore
)

// Parse reads the content of the file. Its lines may be in any order, and repeated. Every error
// is an [Error].
func Parse(text []byte) (File, error) {
	p := parser{file: make(File), shapes: make(map[shapeName]*block)}
	n := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\ufeff"))) {
		n++
		if err := p.line(n, strings.TrimRight(string(line), "\r\n")); err != nil {
			return nil, err
		}
	}
	return p.file, p.finish()
}

type shapeName struct{ typ, hash string }

// A block is the lines of a shape, and where the first is.
type block struct {
	first int
	lines map[wire.Line]bool
}

type parser struct {
	file   File
	shapes map[shapeName]*block
}

func (p *parser) line(n int, text string) error {
	if text == "" || strings.HasPrefix(text, "#") {
		return nil
	}
	for _, mark := range []string{"<<<<<<<", "|||||||", "=======", ">>>>>>>"} {
		if strings.HasPrefix(text, mark) {
			return &Error{n, "a merge has left a conflict", "keep the lines of both sides, remove those that begin with " + mark[:1] + " and the like, and run taskgen again"}
		}
	}
	name, rest, _ := strings.Cut(text, " ")
	word, rest, ok := strings.Cut(rest, " ")
	if !ok || name == "" {
		return &Error{n, fmt.Sprintf("the line is cut off: %.80q", text), restore}
	}
	if err := p.words(n, name, word, rest); err != nil {
		var known *Error
		if errors.As(err, &known) {
			return err
		}
		return &Error{n, err.Error(), restore}
	}
	return nil
}

// words reads what is behind the name of a type.
func (p *parser) words(n int, name, word, rest string) error {
	t := p.file.Of(name)
	t.Line = cmp.Or(t.Line, n)
	switch word {
	case wordName:
		t.AddName(rest)
		return nil
	case wordQueue:
		t.AddQueue(rest)
		return nil
	case wordRemoved:
		texts, err := quoted(rest, 3)
		if err != nil {
			return err
		}
		if r := (Removed{texts[0], texts[1], texts[2]}); !slices.Contains(t.Removed, r) {
			t.Removed = append(t.Removed, r)
		}
		return nil
	case wordAccepted:
		a, err := accepted(rest)
		if err == nil && !slices.Contains(t.Accepted, a) {
			t.Accepted = append(t.Accepted, a)
		}
		return err
	}
	if !isHash(word) {
		return &Error{n, fmt.Sprintf("there is no line of the kind %.40q", word), newer}
	}
	l, err := wire.ParseLine(rest)
	if err != nil {
		return err
	}
	b := p.shapes[shapeName{name, word}]
	if b == nil {
		b = &block{n, make(map[wire.Line]bool)}
		p.shapes[shapeName{name, word}] = b
	}
	b.lines[l] = true
	return nil
}

func accepted(text string) (Accepted, error) {
	words := strings.SplitN(text, " ", 4)
	if len(words) < 4 || !isHash(words[0]) || words[1] != string(Old) && words[1] != string(New) {
		return Accepted{}, fmt.Errorf("it is no accepted break: %.80q", text)
	}
	texts, err := quoted(words[3], 3)
	if err != nil {
		return Accepted{}, err
	}
	return Accepted{words[0], Direction(words[1]), wire.Problem(words[2]), texts[0], texts[1], texts[2]}, nil
}

// quoted reads n texts in quotes with spaces between them.
func quoted(text string, n int) ([]string, error) {
	texts, rest := make([]string, n), text
	for i := range texts {
		prefix, err := strconv.QuotedPrefix(rest)
		if err != nil || prefix[0] != '"' {
			return nil, fmt.Errorf("a text in quotes is missing: %.80q", text)
		}
		texts[i], _ = strconv.Unquote(prefix)
		rest = strings.TrimPrefix(rest[len(prefix):], " ")
	}
	if rest != "" {
		return nil, fmt.Errorf("%.40q is too much", rest)
	}
	return texts, nil
}

func isHash(word string) bool {
	return len(word) == len("0123456789ab") && strings.Trim(word, "0123456789abcdef") == ""
}

// finish makes shapes of their lines.
func (p *parser) finish() error {
	for _, name := range slices.SortedFunc(maps.Keys(p.shapes), func(a, b shapeName) int { return p.shapes[a].first - p.shapes[b].first }) {
		b := p.shapes[name]
		lines := slices.SortedFunc(maps.Keys(b.lines), depthFirst)
		if hash := wire.Hash(lines); hash != name.hash {
			return &Error{b.first, fmt.Sprintf("the lines of shape %s of %s were changed by hand, or some are missing: their name would be %s", name.hash, name.typ, hash), restore}
		}
		form, err := wire.Parse(lines)
		if err != nil {
			return &Error{b.first, fmt.Sprintf("shape %s of %s: %s", name.hash, name.typ, err), newer}
		}
		p.file.Of(name.typ).Shapes[name.hash] = Shape{lines, form}
	}
	return nil
}
