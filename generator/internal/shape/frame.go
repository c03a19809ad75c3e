package shape

import (
	"bytes"
	"fmt"
)

// A frame is a canonical frame.
type frame struct {
	number  int
	letters []byte   // of its declarations
	methods []string // of the struct
	odd     bool
	checked bool // to be checked
}

func newFrame(number int, t *task) *frame {
	f := &frame{number: number}
	for i := range t.pieces {
		p := &t.pieces[i]
		if letter := p.declares(); letter != 0 {
			f.letters = append(f.letters, letter)
			f.odd = f.odd || letter <= specName
			continue
		}
		name, ofStruct, ok := p.method()
		if ofStruct {
			f.methods = append(f.methods, name)
		}
		f.odd = f.odd || !ok
	}
	f.letters = append(f.letters, specName)
	return f
}

// prefix begins the names that this package makes.
const prefix = "taskgenShape"

// name replaces a name in the checked instance of a frame.
func (f *frame) name(letter byte) string { return fmt.Sprintf("%s%d%c", prefix, f.number, letter) }

// instantiate makes the checked instance of a frame: with the least capable struct, and
// with an empty spec.
func (f *frame) instantiate(t *task) []byte {
	return bytes.Join([][]byte{
		fmt.Appendf(nil, "type %s struct{ _ func() }\n\nconst %s = \"\"\n", f.name(structName), f.name(wireName)),
		instance([]byte(t.head+"}"), f.name), instance(t.text, f.name),
	}, nil)
}

// stub is the declaration of one of a task's names, without a body and for the struct
// of the frame. met is called for the other names in it.
func (t *task) stub(letter byte, met func(letter byte)) []byte {
	text := []byte(t.head + "}")
	for i := range t.pieces {
		if p := &t.pieces[i]; p.declares() == letter {
			text = p.text
			if p.body >= 0 {
				text = text[:p.body]
			}
		}
	}
	return instance(text, func(other byte) string {
		if other == structName {
			return t.frame.name(other)
		}
		if other != letter {
			met(other)
		}
		return t.names[other-first]
	})
}
