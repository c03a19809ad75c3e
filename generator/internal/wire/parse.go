package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/internal/secretpath"
)

// ParseLine reads a line as Line.String wrote it.
func ParseLine(text string) (Line, error) {
	path, form, ok := strings.Cut(text, " ")
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return Line{}, fmt.Errorf("the quotes around its path do not end: %s", text)
		}
		path, _ = strconv.Unquote(quoted)
		form, ok = strings.CutPrefix(text[len(quoted):], " ")
	}
	if !ok || form == "" || !strings.HasPrefix(path, "/") {
		return Line{}, fmt.Errorf("it is not a path and a form: %s", text)
	}
	if path == "/" {
		path = ""
	}
	return Line{path, form}, nil
}

// Parse reads the lines of a form, in the order in which Lines has them.
func Parse(lines []Line) (Place, error) {
	p := parser{lines: lines, first: make(map[string]*Form)}
	if len(lines) == 0 || lines[0].Path != "" {
		return Place{}, fmt.Errorf("the line of the payload itself is missing")
	}
	root, _, err := p.line()
	if err == nil && len(p.lines) > 0 {
		err = fmt.Errorf("%s: it is in no object", p.lines[0].Path)
	}
	return root, err
}

// A parser reads lines.
type parser struct {
	lines []Line
	first map[string]*Form // by path: what lines can refer to
}

// line reads the first line and the lines of what is in it.
func (p *parser) line() (place Place, required bool, err error) {
	l := p.lines[0]
	p.lines = p.lines[1:]
	text, required := strings.CutSuffix(l.Form, " required")
	text, quoted := strings.CutSuffix(text, " quoted")
	place, rest, err := p.place(l.Path, text)
	if err == nil && rest != "" {
		err = fmt.Errorf("%q is too much", rest)
	}
	if err != nil {
		return Place{}, false, fmt.Errorf("%s: its form %q cannot be read: %w", l.Path, l.Form, err)
	}
	place.Quoted = quoted
	return place, required, nil
}

// place reads a form at the beginning of a text, and returns what is behind it.
func (p *parser) place(path, text string) (place Place, rest string, err error) {
	text, place.Pointer = strings.CutPrefix(text, "*")
	if quoted, ok := strings.CutPrefix(text, "same("); ok {
		at, rest, err := argument(quoted)
		if err != nil {
			return place, "", err
		}
		if place.Form = p.first[at]; place.Form == nil {
			return place, "", fmt.Errorf("there is no form at %q before it", at)
		}
		return place, rest, nil
	}
	f := new(Form)
	place.Form = f
	switch {
	case strings.HasPrefix(text, "["):
		length, behind, ok := strings.Cut(text[1:], "]")
		f.Kind, f.Len = model.ListValue, -1
		if length != "" {
			f.Len, err = strconv.ParseInt(length, 10, 64)
			ok = ok && err == nil && f.Len >= 0
		}
		if !ok {
			return place, "", fmt.Errorf("the length of a list is not a number")
		}
		return p.elements(place, path, behind)
	case strings.HasPrefix(text, "map["):
		f.Kind, f.Keys = model.MapValue, new(Form)
		behind, err := f.Keys.readScalar(text[len("map["):])
		if err != nil {
			return place, "", err
		}
		behind, ok := strings.CutPrefix(behind, "]")
		if !ok {
			return place, "", fmt.Errorf("the keys of a map do not end")
		}
		return p.elements(place, path, behind)
	}
	rest, err = f.readScalar(text)
	if err == nil && f.Kind == model.ObjectValue {
		p.first[path] = f
		err = p.members(f, path)
	}
	return place, rest, err
}

func (p *parser) elements(place Place, path, text string) (Place, string, error) {
	p.first[path] = place.Form
	elem, rest, err := p.place(path+"/"+model.EveryElement, text)
	place.Elem = &elem
	return place, rest, err
}

// members reads the lines of an object.
func (p *parser) members(f *Form, path string) error {
	for len(p.lines) > 0 {
		name, ok := strings.CutPrefix(p.lines[0].Path, path+"/")
		if !ok || strings.Contains(name, "/") {
			return nil
		}
		var m Member
		if m.Name, ok = secretpath.Unescape(name); !ok || name == model.EveryElement {
			return fmt.Errorf("%s/%s: it is not the path of a member", path, name)
		}
		var err error
		if m.Place, m.Required, err = p.line(); err != nil {
			return err
		}
		if n := len(f.Members); n > 0 && f.Members[n-1].Name >= m.Name {
			return fmt.Errorf("%s/%s: the members of an object are not sorted", path, name)
		}
		f.Members = append(f.Members, m)
	}
	return nil
}

// scalars are the forms without parts by the words in a text; each has a kind and bits.
var scalars = map[string]Form{
	"any": {Kind: model.AnyValue}, "text": {Kind: model.TextValue}, "time": {Kind: model.TimeValue}, "bytes": {Kind: model.BytesValue},
	"boolean": {Kind: model.BooleanValue}, "number": {Kind: model.NumberValue}, "object": {Kind: model.ObjectValue},
	"float32": {Kind: model.NumberValue, Bits: 32}, "float64": {Kind: model.NumberValue, Bits: 64},
	"int8": {Kind: model.IntegerValue, Bits: 8}, "uint8": {Kind: model.IntegerValue, Bits: 8, Unsigned: true},
	"int16": {Kind: model.IntegerValue, Bits: 16}, "uint16": {Kind: model.IntegerValue, Bits: 16, Unsigned: true},
	"int32": {Kind: model.IntegerValue, Bits: 32}, "uint32": {Kind: model.IntegerValue, Bits: 32, Unsigned: true},
	"int64": {Kind: model.IntegerValue, Bits: 64}, "uint64": {Kind: model.IntegerValue, Bits: 64, Unsigned: true},
}

// readScalar reads a form without parts at the beginning of a text, and returns what is behind
// it.
func (f *Form) readScalar(text string) (rest string, err error) {
	end := strings.IndexFunc(text, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	if end < 0 {
		end = len(text)
	}
	known, ok := scalars[text[:end]]
	if !ok {
		return "", fmt.Errorf("there is no form %q", text[:end])
	}
	*f = known
	if quoted, ok := strings.CutPrefix(text[end:], "("); ok {
		f.Codec, rest, err = argument(quoted)
		return rest, err
	}
	return text[end:], nil
}

// argument reads a text in quotes and the parenthesis behind it.
func argument(text string) (value, rest string, err error) {
	quoted, err := strconv.QuotedPrefix(text)
	if err == nil {
		value, err = strconv.Unquote(quoted)
	}
	if err != nil || !strings.HasPrefix(text[len(quoted):], ")") {
		return "", "", fmt.Errorf("a text in quotes and a parenthesis are missing")
	}
	return value, text[len(quoted)+1:], nil
}

// member finds a member by its exact name.
func (f *Form) member(name string) *Member {
	i, ok := slices.BinarySearchFunc(f.Members, name, func(m Member, name string) int { return strings.Compare(m.Name, name) })
	if !ok {
		return nil
	}
	return &f.Members[i]
}
