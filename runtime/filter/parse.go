package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Parse reads a filter: terms with spaces between them, all of which must hold.
//
//	type:email,sms    is one of them
//	error~timeout     contains it, in upper or lower case
//	age>1h due<=10m   is more, at least, less or at most
//	-type:email       is not so
//	timeout           the ID, the error or the payload contains it
//	error~"no route"  a value with spaces
//
// An empty text means all. The error is an [*Error] with the first mistake.
func Parse(text string) (Filter, error) {
	p := &parser{text: text}
	if !utf8.ValidString(text) {
		return Filter{}, p.errorAt(0, "the text is not UTF-8")
	}
	var f Filter
	for p.skipSpaces(); p.at < len(text); p.skipSpaces() {
		t, err := p.term()
		if err != nil {
			return Filter{}, err
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// A parser reads a text from at on.
type parser struct {
	text string
	at   int // in bytes
}

func (p *parser) errorAt(at int, format string, args ...any) error {
	return &Error{Column: utf8.RuneCountInString(p.text[:at]) + 1, Problem: fmt.Sprintf(format, args...)}
}

func (p *parser) skipSpaces() { p.take(unicode.IsSpace) }

// take reads while the characters are such.
func (p *parser) take(such func(rune) bool) string {
	end := strings.IndexFunc(p.text[p.at:], func(r rune) bool { return !such(r) })
	if end < 0 {
		end = len(p.text) - p.at
	}
	taken := p.text[p.at : p.at+end]
	p.at += end
	return taken
}

// next reports whether the text goes on with part, and reads it.
func (p *parser) next(part string) bool {
	if !strings.HasPrefix(p.text[p.at:], part) {
		return false
	}
	p.at += len(part)
	return true
}

func isPlain(r rune) bool { return !unicode.IsSpace(r) && r != '"' }

func isName(r rune) bool { return isPlain(r) && !strings.ContainsRune(":~<>", r) }

func isItem(r rune) bool { return isPlain(r) && r != ',' }

func (p *parser) term() (term, error) {
	start := p.at
	t := term{not: p.next("-")}
	word := p.at
	name := p.take(isName)
	if at := p.at; name == "" && p.operator() != "" {
		return term{}, p.errorAt(at, "a field stands before %q: %s", p.text[at:p.at], examples)
	}
	quoted := false
	if p.at < len(p.text) && p.text[p.at] == '"' {
		if name != "" && name != metadataField.name+"." {
			return term{}, p.errorAt(p.at, "a quote stands at the beginning of a value: %s", examples)
		}
		text, err := p.quoted()
		if err != nil {
			return term{}, err
		}
		quoted, name = true, name+text
	}
	operator := p.operator()
	if operator == "" {
		// A word on its own.
		if quoted && p.text[word] != '"' {
			return term{}, p.errorAt(p.at, "an operator and a value follow the name of a metadata: %s", examples)
		}
		if name == "" {
			return term{}, p.errorAt(start, "a word or a field follows the -: %s", examples)
		}
		if quoted && p.at < len(p.text) && !unicode.IsSpace(firstRune(p.text[p.at:])) {
			return term{}, p.errorAt(p.at, "a space follows a word in quotes")
		}
		t.field, t.operator = searchField, "~"
		t.values = []value{{text: name, lower: strings.ToLower(name)}}
		return t, nil
	}
	if err := p.fieldNamed(&t, name, word, quoted && p.text[word] == '"', operator); err != nil {
		return term{}, err
	}
	t.operator = operator
	return t, p.values(&t)
}

const examples = `terms look like type:email, error~timeout, age>1h, or are words, in quotes if they have any of : ~ < >`

// fieldNamed finds the field of a term, and checks that it knows the operator.
func (p *parser) fieldNamed(t *term, name string, at int, quoted bool, operator string) error {
	metadata, ok := strings.CutPrefix(name, metadataField.name+".")
	switch {
	case quoted:
		return p.errorAt(at, "the name of a field has no quotes, and a word has no operator behind it")
	case ok && metadata == "":
		return p.errorAt(at, "meta. has the name of a metadata behind it: meta.tenant:acme")
	case name == metadataField.name:
		return p.errorAt(at, "meta has the name of a metadata behind it: meta.tenant:acme")
	case ok:
		t.field, t.metadata = metadataField, metadata
	default:
		f, near := fieldOf(name)
		if f == nil {
			hint := "the fields are " + fieldNames()
			if near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return p.errorAt(at, "there is no field %q: %s To look for a word with %q in it, put it in quotes", name, sentence(hint), operator)
		}
		t.field = f
	}
	if known := operators[t.field.kind]; !slices.Contains(known, operator) {
		return p.errorAt(p.at-len(operator), "%s knows no %q: it is compared by %s", t.field.name, operator, strings.Join(known, " "))
	}
	return nil
}

func sentence(s string) string {
	if strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

func fieldNames() string {
	names := make([]string, len(fields))
	for i, f := range fields {
		if names[i] = f.name; f.kind == metadataKind {
			names[i] += ".NAME"
		}
	}
	return strings.Join(names, ", ")
}

// operator reads one, if there is one.
func (p *parser) operator() string {
	for _, o := range []string{":", "~", ">=", "<=", ">", "<"} {
		if p.next(o) {
			return o
		}
	}
	return ""
}

// values reads what stands behind the operator of a term.
func (p *parser) values(t *term) error {
	for {
		at := p.at
		var text string
		quoted := p.at < len(p.text) && p.text[p.at] == '"'
		switch {
		case quoted:
			var err error
			if text, err = p.quoted(); err != nil {
				return err
			}
		case t.operator == ":":
			text = p.take(isItem)
		default:
			text = p.take(isPlain)
		}
		if text == "" && !quoted {
			return p.errorAt(at, `a value is missing behind %s%s (the empty one is "")`, t.field.name, t.operator)
		}
		v, problem := t.field.value(text)
		if problem != "" {
			return p.errorAt(at, "%s", problem)
		}
		t.values = append(t.values, v)
		if t.operator == ":" && p.next(",") {
			continue
		}
		if p.at < len(p.text) && !unicode.IsSpace(firstRune(p.text[p.at:])) {
			return p.errorAt(p.at, "a space follows a value: quotes stand around all of it")
		}
		return nil
	}
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// quoted reads a text in quotes, in which \" is a quote and \\ a backslash.
func (p *parser) quoted() (string, error) {
	start := p.at
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			p.at = i + 1
			return b.String(), nil
		case c == '\\' && i+1 < len(p.text) && (p.text[i+1] == '"' || p.text[i+1] == '\\'):
			i++
			b.WriteByte(p.text[i])
		case c == '\\':
			return "", p.errorAt(i, `in quotes a backslash stands before " or another backslash: write \\`)
		default:
			b.WriteByte(c)
		}
	}
	return "", p.errorAt(start, `the quote does not end: there is no other "`)
}

// quoteIf puts quotes around a text that needs them.
func quoteIf(text string, needs func(rune) bool) string {
	if text != "" && !strings.ContainsFunc(text, needs) {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func nameNeedsQuotes(r rune) bool { return !isName(r) }

func valueNeedsQuotes(r rune) bool { return !isItem(r) }
