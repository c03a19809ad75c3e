// Package shape finds the part of a generated file that must be type-checked for all of
// it to be known to compile: most of it is the same for each task, except for names. It
// is a part of the step emit: declarations go in, and those to be checked come out.
//
// The package trusts the package that writes the file only about which declaration
// belongs to which task, and about the names of a task; and if these are wrong, more is
// checked. Everything else follows from the text. A declaration is brought to its
// canonical text, in which each name of the task is replaced by a mark. Two
// declarations with the same canonical text differ only in names, one to one. Whether
// Go code compiles does not depend on how its names are spelt, as long as different
// things have different names and a name denotes the same kind of thing in both. So it
// is enough that one of them compiles if
//
//   - no two names of the package that may be renamed are the same, nor is one of them
//     a name that the package has besides, by hand or by an import;
//   - the requirements of a task's declarations on its struct hold for every struct, or
//     for all that are alike in the required properties.
//
// Because of the second condition a task's declarations are treated in different ways:
//
//   - The frame is all declarations of a task except the spec's elements and the guard.
//     It is checked once for each canonical text, with names of its own and with the
//     least capable struct: it has no field that could be selected, no methods, and
//     cannot be compared. A frame that compiles with it compiles with any struct,
//     unless the struct itself has a field or a method that the frame declares.
//   - An element of a spec is checked in the same way, or, if it selects fields, once
//     for each combination of text and the types of these fields.
//   - A guard writes the fields of a struct. It compiles if each line matches the
//     field: its name, its tag and a text that means its type. The meaning of a text is
//     known once a guard that contains it has been checked.
//
// Declarations that all tasks share are checked unreduced. The other declarations that
// they mention are included without bodies. A task to which any of this does not apply
// is checked unreduced, too.
package shape

import (
	"bytes"

	"github.com/taskgen/taskgen/generator/internal/emit/gosrc"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// letters of the names that are known here; those of the others follow.
const (
	first      = 'A'
	structName = first
	wireName   = first + 1
	specName   = first + 2
)

// A Scan is what is known of one part.
type Scan struct {
	imports map[string]string
	tasks   []*task
	guards  []gosrc.Declaration
	shared  [][]byte
	used    map[string]bool
}

// A task is a part's share of one task.
type task struct {
	index  int
	names  []string
	source [][]byte // all of it
	text   []byte   // of the frame: canonical
	pieces []piece  // its declarations
	frame  *frame   // the canonical frame
	head   string   // of the spec: canonical
	typ    string   // of the spec, as written
	spec   []element
	odd    bool // it is checked unreduced
}

// A piece is one declaration of a frame.
type piece struct {
	text []byte // canonical
	body int    // where its body begins, or -1
}

// An element is one element of a spec.
type element struct {
	text   string // canonical
	source []byte
}

// Read reads the declarations of one part of the file of pkg. imports has the packages
// that they need, by their names there. Several parts may be read concurrently. comment
// is called for every comment. The error is one of comment's or [ErrOdd].
func Read(pkg *model.Package, declarations []gosrc.Declaration, imports map[string]string, comment func([]byte) error) (*Scan, error) {
	s := &Scan{imports: imports, used: make(map[string]bool)}
	sc := &scanner{used: s.used, comment: comment}
	var (
		t       *task
		err     error
		scratch = make([]byte, 0, usual)
	)
	for _, d := range declarations {
		if !plain(d.Text) {
			return nil, ErrOdd
		}
		switch d.Kind {
		case gosrc.Spec, gosrc.Frame:
			if t == nil || t.index != d.Task {
				t = &task{index: d.Task, names: gosrc.Names(&pkg.Tasks[d.Task]), text: make([]byte, 0, usual)}
				s.tasks = append(s.tasks, t)
				sc.names = letters(t.names)
			}
			err = t.read(sc, d)
		default:
			if d.Kind == gosrc.Guard {
				s.guards = append(s.guards, d)
			} else {
				s.shared = append(s.shared, d.Text)
			}
			sc.names, t = nil, nil
			_, err = sc.scan(scratch[:0], d.Text)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// usual is the size of most frames, with their largest declaration.
const usual = 3 << 10

func letters(names []string) map[string]byte {
	m := make(map[string]byte, len(names))
	for i, name := range names {
		m[name] = first + byte(i)
	}
	return m
}

// read adds a declaration to a task.
func (t *task) read(sc *scanner, d gosrc.Declaration) error {
	t.source = append(t.source, d.Text)
	from := len(t.text)
	out, err := sc.scan(t.text, d.Text)
	if err != nil {
		return err
	}
	text := out[from:]
	if d.Kind == gosrc.Spec {
		t.readSpec(sc, text, from, d.Text)
		t.text = out[:from]
		return nil
	}
	t.text = append(out, '\n', '\n')
	p := piece{text: text, body: -1}
	t.odd = t.odd || sc.lines
	if sc.body.out >= 0 && bytes.HasPrefix(text, []byte("func ")) {
		p.body = sc.body.out - 1 - from
	}
	t.pieces = append(t.pieces, p)
	return nil
}

// declares returns the letter of the name that a piece declares, or 0.
func (p *piece) declares() byte {
	for _, keyword := range [...]string{"func ", "type ", "const "} {
		if rest, ok := bytes.CutPrefix(p.text, []byte(keyword)); ok && len(rest) > 1 && rest[0] == slot {
			return rest[1]
		}
	}
	return 0
}

// method returns the name of the method of the struct that a piece declares, and false
// if it declares none. A method of another type has a name of the task.
func (p *piece) method() (name string, ofStruct, ok bool) {
	rest, ok := bytes.CutPrefix(p.text, []byte("func ("))
	if !ok {
		return "", false, false
	}
	receiver, rest, ok := bytes.Cut(rest, []byte(") "))
	if !ok || len(rest) < 2 {
		return "", false, false
	}
	base := bytes.TrimPrefix(receiver[bytes.LastIndexByte(receiver, ' ')+1:], []byte("*"))
	if len(base) != 2 || base[0] != slot {
		return "", false, false
	}
	if rest[0] == slot {
		return "", false, base[1] != structName
	}
	end := bytes.IndexByte(rest, '(')
	if end < 0 || base[1] != structName {
		return "", false, false
	}
	return string(rest[:end]), true, true
}

// instance is canonical text with names.
func instance(text []byte, name func(letter byte) string) []byte {
	out := make([]byte, 0, len(text)+len(text)/2)
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case slot:
			i++
			out = append(out, name(text[i])...)
		case anyone:
			out = append(out, '"', '"')
		default:
			out = append(out, text[i])
		}
	}
	return append(out, '\n')
}
