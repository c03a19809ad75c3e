package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// A position is where a value of a Config comes from: a place in a file, or a variable.
type position struct {
	file      string
	line, col int
	variable  string
	excerpt   string // key and value, for a place in a file
	caret     int    // column in the excerpt, from 0
}

func (p position) String() string {
	switch {
	case p.variable != "":
		return "environment: " + p.variable
	case p.line == 0:
		return cmp.Or(p.file, "configuration")
	}
	return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.col)
}

// positions are those of the keys that are set, by path: "queues.mail.visibility".
type positions map[string]position

// of is the position of a path, or of the nearest part of it that was written.
func (ps positions) of(path string) position {
	for {
		if p, ok := ps[path]; ok {
			return p
		}
		i := strings.LastIndex(path, ".")
		if i < 0 {
			return ps[""]
		}
		path = path[:i]
	}
}

// A problem is one mistake in what a Config is made of.
type problem struct {
	at   position
	text string
}

// An invalid is the error of a Config: all problems, in the order of the file.
type invalid []problem

func (all invalid) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config: ")
	for i, p := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s: %s", p.at, p.text)
		if p.at.excerpt != "" {
			number := fmt.Sprintf("%5d | ", p.at.line)
			fmt.Fprintf(&b, "\n%s%s\n%s^", number, p.at.excerpt, strings.Repeat(" ", len(number)-2)+"| "+strings.Repeat(" ", p.at.caret))
		}
	}
	return b.String()
}

// err is the error of the problems, or nil if there are none.
func (all invalid) err() error {
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.col, b.at.col))
	})
	return all
}

// at is the position of a key. Its excerpt is made of the key and of a value that may be
// shown, not of the line, in which there may be a secret.
func at(file string, key *token.Token, value string) position {
	return position{
		file: file, line: key.Position.Line, col: key.Position.Column,
		excerpt: strings.TrimRight(strings.Repeat(" ", key.Position.Column-1)+key.Value+": "+value, " "), caret: key.Position.Column - 1,
	}
}

// atValue is a position with the caret under the value.
func (p position) atValue(value *token.Token, key *token.Token) position {
	p.caret += len([]rune(key.Value)) + 2
	p.line, p.col = key.Position.Line, value.Position.Column
	if value.Position.Line != key.Position.Line { // it begins on a line of its own
		p.col = key.Position.Column
		p.caret = key.Position.Column - 1
	}
	return p
}
