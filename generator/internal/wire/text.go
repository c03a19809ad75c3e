package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// A Line is one line of a form's text: a place in the payload, and its form there.
type Line struct {
	// Path is a JSON pointer in which * is every element of a list or map; empty for the
	// payload itself. See model.SecretPath.
	Path string
	Form string
}

func (l Line) String() string {
	path := l.Path
	if path == "" {
		path = "/"
	}
	if strings.ContainsAny(path, ` "\#`) || !plain(path) {
		path = strconv.Quote(path)
	}
	return path + " " + l.Form
}

// plain reports whether a text is printable ASCII.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}

// Lines are the text of a form: one line for the payload and one for each member. Equal forms
// have equal lines.
func (p Place) Lines() []Line {
	w := writer{first: make(map[*Form]string)}
	w.write("", p, false)
	return w.lines
}

// Hash names a form by 12 hexadecimal digits of the SHA-256 of its lines.
func Hash(lines []Line) string {
	h := sha256.New()
	for _, l := range lines {
		fmt.Fprintln(h, l)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// A writer writes the lines of a form.
type writer struct {
	lines []Line
	first map[*Form]string // where forms were written that lines can refer to
	above []*Form          // lists and maps around the place
}

func (w *writer) write(path string, p Place, required bool) {
	i := len(w.lines)
	w.lines = append(w.lines, Line{Path: path})
	var b strings.Builder
	w.form(&b, path, p)
	if p.Quoted {
		b.WriteString(" quoted")
	}
	if required {
		b.WriteString(" required")
	}
	w.lines[i].Form = b.String()
}

// form writes the form at a place, and the lines of what is in it.
func (w *writer) form(b *strings.Builder, path string, p Place) {
	if p.Pointer {
		b.WriteByte('*')
	}
	f := p.Form
	if at, ok := w.first[f]; ok && (f.Kind == model.ObjectValue || slices.Contains(w.above, f)) {
		b.WriteString("same(" + strconv.Quote(at) + ")")
		return
	}
	switch f.Kind {
	case model.ListValue, model.MapValue:
		w.first[f] = path
		w.above = append(w.above, f)
		b.WriteString(f.head())
		w.form(b, path+"/"+model.EveryElement, *f.Elem)
		w.above = w.above[:len(w.above)-1]
	case model.ObjectValue:
		w.first[f] = path
		b.WriteString("object")
		for i := range f.Members {
			m := &f.Members[i]
			w.write(path+model.SecretPath(m.Name), m.Place, m.Required)
		}
	default:
		b.WriteString(f.scalar())
	}
}

// head begins the text of a list or map.
func (f *Form) head() string {
	switch {
	case f.Kind == model.MapValue:
		return "map[" + f.Keys.scalar() + "]"
	case f.Len >= 0:
		return fmt.Sprintf("[%d]", f.Len)
	}
	return "[]"
}

// scalar is the text of a form without parts.
func (f *Form) scalar() string {
	text := string(f.Kind)
	switch {
	case f.Kind == model.IntegerValue && f.Unsigned:
		text = fmt.Sprint("uint", f.Bits)
	case f.Kind == model.IntegerValue:
		text = fmt.Sprint("int", f.Bits)
	case f.Kind == model.NumberValue && f.Bits > 0:
		text = fmt.Sprint("float", f.Bits)
	}
	if f.Codec != "" {
		text += "(" + strconv.Quote(f.Codec) + ")"
	}
	return text
}
