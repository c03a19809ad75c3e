package shape

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// guardLetter marks the name of a guard.
const guardLetter = 'a'

// guardName returns the name that a guard declares and the text after it, and false if
// the guard does not write its struct as a whole.
func guardName(text []byte) (name, rest string, ok bool) {
	lines := string(text)
	for lines != "" && (lines[0] == '\n' || strings.HasPrefix(lines, "//")) {
		_, lines, _ = strings.Cut(lines, "\n")
	}
	rest, ok = strings.CutPrefix(lines, "type ")
	if !ok {
		return "", "", false
	}
	name, rest, ok = strings.Cut(rest, " = struct")
	return name, rest, ok && isName(name)
}

// A line is one field in a guard: the text of its type, and whether it is embedded.
type line struct {
	typ      string
	embedded bool
}

// guardLines returns the lines of a guard for the fields of a struct. It returns false
// if the guard does not consist of one line for each field, with its name and tag.
func guardLines(text []byte, name string, st *types.Struct) ([]line, bool) {
	guard, rest, ok := guardName(text)
	if !ok {
		return nil, false
	}
	rest, ok = strings.CutSuffix(rest, "}\n\nvar _ "+guard+" = "+name+"{}\n")
	if !ok {
		return nil, false
	}
	if st.NumFields() == 0 {
		return nil, rest == "{"
	}
	rest, ok = strings.CutPrefix(rest, " {\n")
	if !ok {
		return nil, false
	}
	lines := make([]line, 0, st.NumFields())
	for i := range st.NumFields() {
		text, more, ok := strings.Cut(rest, "\n")
		if !ok {
			return nil, false
		}
		rest = more
		l, ok := guardLine(text, st.Field(i), st.Tag(i))
		if !ok {
			return nil, false
		}
		lines = append(lines, l)
	}
	return lines, rest == ""
}

func guardLine(text string, field *types.Var, tag string) (line, bool) {
	text, ok := strings.CutPrefix(text, "\t")
	if ok && !field.Embedded() {
		text, ok = strings.CutPrefix(text, field.Name()+" ")
	}
	if ok && tag != "" {
		text, ok = strings.CutSuffix(text, " `"+tag+"`")
	}
	text = strings.Trim(text, " ")
	return line{text, field.Embedded()}, ok && text != "" && strings.Trim(text, typeBytes) == "" && !strings.Contains(tag, "`")
}

// typeBytes are the bytes that the text of a type may have: it has no spaces, and so it
// cannot be two fields.
const typeBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.*[]"

// numbers assigns numbers to types, the same to identical types.
type numbers struct {
	known  map[types.Type]int
	hashed typeutil.Map
}

func newNumbers() *numbers { return &numbers{known: make(map[types.Type]int)} }

func (n *numbers) of(t types.Type) int {
	if number, ok := n.known[t]; ok {
		return number
	}
	number, ok := n.hashed.At(t).(int)
	if !ok {
		number = n.hashed.Len() + 1
		n.hashed.Set(t, number)
	}
	n.known[t] = number
	return number
}
