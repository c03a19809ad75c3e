package directive

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// tool is the word before the colon.
const tool = "taskgen"

// A Directive is one understood //taskgen: comment.
type Directive struct {
	Spec *Spec
	Span model.Span // from the slashes to the end of the last argument
	Args []Arg      // in the order given; those in error are missing
}

// An Arg is one option of a directive.
type Arg struct {
	Key   *Key
	Text  string // the value as written, unquoted
	Value any    // see kind
	Span  model.Span
}

// Arg returns the option with a key, or nil if it is not given.
func (d *Directive) Arg(key string) *Arg {
	if d == nil {
		return nil
	}
	for i := range d.Args {
		if d.Args[i].Key.Name == key {
			return &d.Args[i]
		}
	}
	return nil
}

// Value returns the value of a key, and false if it is not given. T is the type that
// its kind names.
func Value[T any](d *Directive, key string) (T, bool) {
	if a := d.Arg(key); a != nil {
		v, ok := a.Value.(T)
		return v, ok
	}
	var zero T
	return zero, false
}

// parse reads one line comment that begins at the given position. It returns nil if the
// comment is no directive of taskgen or an unknown one; the diagnostics have its
// errors.
func parse(at model.Pos, comment string) (*Directive, []diag.Diagnostic) {
	d, ok := ast.ParseDirective(1, comment)
	if !ok || d.Tool != tool {
		return nil, malformed(at, comment)
	}
	p := reader{at: at}
	whole := p.span(0, len("//")+len(tool)+len(":")+len(d.Name))
	spec, ok := find(d.Name)
	if !ok {
		fix := rule.DidYouMean(d.Name, names())
		return nil, []diag.Diagnostic{rule.DirectiveUnknown.At(whole, fix, "unknown directive //taskgen:%s", d.Name)}
	}
	out := &Directive{Spec: spec, Span: p.span(0, int(d.ArgsPos-1)+len(d.Args))}
	if d.Args == "" {
		out.Span = whole
	}
	if keys := spec.positional(); len(keys) > 0 {
		p.values(out, keys, int(d.ArgsPos-1), d.Args)
	} else {
		p.args(out, int(d.ArgsPos-1), d.Args)
	}
	p.complete(out, whole)
	return out, p.diags
}

// malformed reports comments that were meant as directives and are not: with a space,
// in upper case, in the other form of comment.
func malformed(at model.Pos, comment string) []diag.Diagnostic {
	rest, ok := strings.CutPrefix(comment, "//")
	if !ok {
		rest, ok = strings.CutPrefix(comment, "/*")
		if !ok {
			return nil
		}
		rest = strings.TrimSpace(strings.TrimSuffix(rest, "*/"))
	}
	// One space at most: a further indented line is an example in prose.
	before, rest, ok := strings.Cut(strings.TrimPrefix(rest, " "), ":")
	if !ok || !strings.EqualFold(before, tool) {
		return nil
	}
	word := strings.TrimLeft(rest, " \t")
	if i := strings.IndexFunc(word, unicode.IsSpace); i >= 0 {
		word = word[:i]
	}
	name, ok := rule.Nearest(word, names())
	if !ok || word == "" {
		return nil
	}
	end := len(comment)
	if i := strings.IndexAny(comment, "\r\n"); i >= 0 {
		end = i
	}
	p := reader{at: at}
	return []diag.Diagnostic{rule.DirectiveMalformed.At(p.span(0, end), "write it as //taskgen:"+name,
		"this is not a directive: %s", comment[:end])}
}

// reader reads the arguments of one directive.
type reader struct {
	at    model.Pos
	diags []diag.Diagnostic
}

// span is the stretch between two offsets in the comment.
func (p *reader) span(from, to int) model.Span {
	pos := p.at
	pos.Column += from
	return model.Span{Pos: pos, End: p.at.Column + to}
}

func (p *reader) report(r *rule.Rule, at model.Span, fix, format string, args ...any) {
	p.diags = append(p.diags, r.At(at, fix, format, args...))
}

// args splits the arguments. A key may be followed by a quoted value, which
// [ast.Directive.ParseArgs] does not know: it would break cron="0 6 * * *" at the
// spaces. Arguments that are quoted as a whole are read as it reads them.
func (p *reader) args(d *Directive, offset int, text string) {
	for {
		trimmed := strings.TrimLeftFunc(text, unicode.IsSpace)
		offset += len(text) - len(trimmed)
		text = trimmed
		if text == "" {
			return
		}
		w, ok := p.word(offset, text)
		if !ok {
			return
		}
		p.arg(d, w)
		offset += w.size
		text = text[w.size:]
	}
}

// values reads the arguments of a directive that are written without their keys.
func (p *reader) values(d *Directive, keys []*Key, offset int, text string) {
	for _, key := range keys {
		trimmed := strings.TrimLeftFunc(text, unicode.IsSpace)
		offset += len(text) - len(trimmed)
		text = trimmed
		if text == "" {
			return
		}
		size := len(strings.TrimRightFunc(text, unicode.IsSpace))
		if end := strings.IndexFunc(text, unicode.IsSpace); key.Kind != kindReason && end >= 0 {
			size = end
		}
		a := Arg{Key: key, Text: text[:size], Span: p.span(offset, offset+size)}
		value, problem := key.parse(a.Text)
		if problem != nil {
			p.report(problem.rule, a.Span, problem.fix, "%s: %s", a.Text, problem.text)
		}
		a.Value = value
		d.Args = append(d.Args, a)
		offset += size
		text = text[size:]
	}
}

// word is one argument, split and unquoted.
type word struct {
	key, value string
	hasValue   bool
	size       int // in the comment
	span       model.Span
}

func (p *reader) word(offset int, text string) (word, bool) {
	size, unquoted, ok := scan(text)
	w := word{size: size, span: p.span(offset, offset+size)}
	if !ok {
		p.report(rule.ValueMalformed, p.span(offset, offset+len(text)), "", "the quotes do not match: %s", text)
		return w, false
	}
	w.key, w.value, w.hasValue = strings.Cut(unquoted, "=")
	return w, true
}

// scan finds the end of the first argument of a text, which begins with no space, and
// removes its quotes. It fails if a quote has no end, or if something follows it
// directly.
func scan(text string) (size int, unquoted string, ok bool) {
	quote := 0
	if text[0] != '"' && text[0] != '`' {
		end := strings.IndexFunc(text, unicode.IsSpace)
		if end < 0 {
			end = len(text)
		}
		eq := strings.IndexByte(text[:end], '=')
		if eq < 0 || eq+1 >= len(text) || (text[eq+1] != '"' && text[eq+1] != '`') {
			return end, text[:end], true
		}
		quote = eq + 1
	}
	quoted, err := strconv.QuotedPrefix(text[quote:])
	if err != nil {
		return len(text), "", false
	}
	size = quote + len(quoted)
	if r, _ := utf8.DecodeRuneInString(text[size:]); size < len(text) && !unicode.IsSpace(r) {
		return len(text), "", false
	}
	value, err := strconv.Unquote(quoted)
	return size, text[:quote] + value, err == nil
}

// arg checks one argument against the table.
func (p *reader) arg(d *Directive, w word) {
	key, ok := d.Spec.Key(w.key)
	if w.key == "" {
		p.report(rule.ValueMalformed, w.span, "write key=value, without spaces around =", "there is no key before =")
		return
	}
	if !ok {
		fix := rule.DidYouMean(w.key, d.Spec.keyNames())
		p.report(rule.KeyUnknown, w.span, fix, "//taskgen:%s has no key %q", d.Spec.Name, w.key)
		return
	}
	if first := d.Arg(key.Name); first != nil {
		dup := rule.KeyRepeated.At(w.span, "", "%s is given twice", key.Name)
		p.diags = append(p.diags, rule.Related(dup, first.Span.Pos, "first given here"))
		return
	}
	a := Arg{Key: key, Text: w.value, Span: w.span}
	switch {
	case key.Kind == kindWord && w.hasValue:
		p.report(rule.ValueMalformed, w.span, "write "+key.Name+" alone", "%s has no value", key.Name)
	case key.Kind != kindWord && (!w.hasValue || w.value == ""):
		p.report(rule.ValueMalformed, w.span, "write "+key.Example, "%s needs a value", key.Name)
	case key.Kind != kindWord:
		value, problem := key.parse(w.value)
		if problem != nil {
			p.report(problem.rule, w.span, problem.fix, "%s=%s: %s", key.Name, w.value, problem.text)
		}
		a.Value = value
	}
	// An option in error is kept without a value, so that it is not reported as
	// missing, too.
	d.Args = append(d.Args, a)
}

// complete reports required keys that are not given.
func (p *reader) complete(d *Directive, at model.Span) {
	for i := range d.Spec.Keys {
		k := &d.Spec.Keys[i]
		switch {
		case !k.Required || d.Arg(k.Name) != nil:
		case k.Positional:
			p.report(rule.KeyMissing, at, "write it as "+d.Spec.Example, "//taskgen:%s needs a %s", d.Spec.Name, k.Name)
			return // those after it are missing as well
		default:
			p.report(rule.KeyMissing, at, "add "+k.Example, "//taskgen:%s needs %s=", d.Spec.Name, k.Name)
		}
	}
}

// SpanAt makes a span of a position of a file set, as it is in the file regardless of
// //line comments, and a length in bytes.
func SpanAt(fset *token.FileSet, pos token.Pos, length int) model.Span {
	p := fset.PositionFor(pos, false)
	s := model.Span{Pos: model.Pos{File: p.Filename, Line: p.Line, Column: p.Column}}
	if length > 0 {
		s.End = p.Column + length
	}
	return s
}
