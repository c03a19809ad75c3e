package shape

import (
	"bytes"
	"strings"
)

// readSpec reads the variable that describes a task. text is canonical and begins at
// from in the scanner's output.
func (t *task) readSpec(sc *scanner, text []byte, from int, src []byte) {
	declares := []byte{'v', 'a', 'r', ' ', slot, specName, ' ', '=', ' '}
	if t.head != "" || sc.lines || sc.body.out < 0 || len(sc.parts) == 0 || !bytes.HasPrefix(text, declares) {
		t.odd = true
		return
	}
	head := text[:sc.body.out-from]
	closing := sc.parts[len(sc.parts)-1].out - from
	if closing != len(text)-1 || bytes.Contains(head, []byte("...")) || !only(head[len(declares):], structName) {
		t.odd = true
		return
	}
	t.head = string(head)
	_, typ, _ := bytes.Cut(src[:sc.body.src-1], []byte(" = "))
	t.typ = string(typ)
	keys := make(map[string]bool)
	at := sc.body
	for _, end := range sc.parts {
		e := element{text: string(bytes.TrimSpace(text[at.out-from : end.out-from])), source: src[at.src:end.src]}
		at = place{end.src + 1, end.out + 1}
		if e.text == "" && end == sc.parts[len(sc.parts)-1] {
			continue // after the last comma
		}
		key, _, ok := strings.Cut(e.text, ":")
		if !ok || keys[key] || !isName(key) || !only([]byte(e.text), structName, wireName) {
			t.odd = true
			return
		}
		keys[key] = true
		t.spec = append(t.spec, e)
	}
}

// only reports whether a canonical text has marks for no other names.
func only(text []byte, letters ...byte) bool {
	for i, c := range text {
		if c == slot && bytes.IndexByte(letters, text[i+1]) < 0 {
			return false
		}
	}
	return true
}

func isName(s string) bool {
	for i := range len(s) {
		if !letter(s[i]) && (i == 0 || !digit(s[i])) {
			return false
		}
	}
	return s != ""
}

// selections are the fields of the struct that an element selects, and its selections
// from these. It returns false if the element may depend on the struct in another way:
// if it is not a function with one parameter, a pointer to the struct, that only
// selects from it.
func (e *element) selections() (fields, deeper []string, ok bool) {
	_, text, _ := strings.Cut(e.text, ":")
	text, ok = strings.CutPrefix(strings.TrimSpace(text), "func(")
	if !ok {
		return nil, nil, false
	}
	name, text, ok := strings.Cut(text, " *"+string([]byte{slot, structName})+") ")
	if !ok || !isName(name) || !only([]byte(text), wireName) {
		return nil, nil, false
	}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == slot:
			i += 2
		case c == '"' || c == '\'' || c == '`':
			end, err := quoted([]byte(text[i:]))
			if err != nil {
				return nil, nil, false
			}
			i += end
		case letter(c) || digit(c):
			word := text[i : i+wordLength(text[i:])]
			before := i > 0 && text[i-1] == '.'
			i += len(word)
			if word != name {
				continue
			}
			if before || i == len(text) || text[i] != '.' {
				return nil, nil, false
			}
			field := text[i+1 : i+1+wordLength(text[i+1:])]
			if !isName(field) {
				return nil, nil, false
			}
			fields = append(fields, field)
			for i += 1 + len(field); i < len(text) && text[i] == '.'; {
				n := wordLength(text[i+1:])
				deeper = append(deeper, text[i+1:i+1+n])
				i += 1 + n
			}
		default:
			i++
		}
	}
	return fields, deeper, true
}

func wordLength(s string) int {
	n := 0
	for n < len(s) && (letter(s[n]) || digit(s[n])) {
		n++
	}
	return n
}
