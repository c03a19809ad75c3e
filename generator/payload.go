package generator

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/check"
	"github.com/taskgen/taskgen/generator/directive"
	"github.com/taskgen/taskgen/generator/model"
)

// payload reads the fields of one task's struct.
type payload struct {
	b       *builder
	task    *model.Task
	named   *types.Named
	secrets []string
	// cuts are where types lead back to themselves, and holders the types that
	// hold a secret somewhere below.
	cuts    []cut
	holders map[*types.Named]bool
}

type cut struct {
	path string
	t    *types.Named
}

// fields fills in the fields of the task, and reports what is wrong with them.
func (p *payload) fields(st *types.Struct, syntax *ast.StructType) {
	p.task.Fields = p.b.literal(st)
	i := 0
	for _, field := range syntax.Fields.List {
		for range max(1, len(field.Names)) {
			if i < st.NumFields() {
				p.field(&p.task.Fields[i], st.Field(i), st.Tag(i), field)
			}
			i++
		}
	}
	p.collisions(st)
	if method, by := promotedCodec(p.named); by != nil {
		p.b.report(check.FieldMarshaler.At(p.spanOf(by), "name the field: "+by.Name()+" "+p.b.text(by.Type()),
			"the embedded %s brings its %s to %s: all other fields would be lost", by.Name(), method, p.task.Struct))
	}
}

func (p *payload) spanOf(v *types.Var) model.Span { return p.b.at(v.Pos(), len(v.Name())) }

// field checks one field and its tags.
func (p *payload) field(m *model.Field, v *types.Var, tag string, syntax *ast.Field) {
	name, travels := jsonName(v, tag)
	p.tags(m, v, tag, syntax, travels)
	if !travels {
		return
	}
	w := newWalker(p.b)
	w.onEncoded = p.encoded
	w.onField = func(path string, v *types.Var, tag string, travels bool) {
		if p.nested(path, v, tag, travels) {
			for _, holder := range w.stack {
				p.holders[holder] = true
			}
		}
	}
	w.onCut = func(path string, t *types.Named) { p.cuts = append(p.cuts, cut{path, t}) }
	if name != "" {
		w.path = []string{name}
	}
	w.stack = []*types.Named{p.named}
	tr := w.value(v)
	recursive := leadsBack(p.named, v.Type())
	switch at := p.spanOf(v); {
	case tr != nil && tr.unresolved:
		p.unresolved(v, tr)
	case tr != nil && tr.tangled:
		if !m.Secret {
			p.b.report(check.SecretWays.At(at, "", "field %s of %s: there are too many ways to the secrets in it", v.Name(), p.task.Struct))
		}
	case tr != nil:
		p.b.report(check.FieldKind.At(at, "", "field %s of %s cannot travel: %s", v.Name(), p.task.Struct, tr.text))
	case recursive != nil:
		p.b.report(check.FieldRecursive.At(at, "", "field %s of %s: values of %s may lead back to themselves", v.Name(), p.task.Struct, p.b.text(recursive)))
	case w.empty != nil:
		p.b.report(check.FieldEmpty.At(at, "", "field %s of %s: nothing of %s travels, it has no exported fields", v.Name(), p.task.Struct, p.b.text(w.empty)))
	}
}

// unresolved reports a type that could not be resolved, in go/types' own words
// where it has any.
func (p *payload) unresolved(v *types.Var, tr *trouble) {
	at, text := p.spanOf(v), tr.text
	inner := v
	if tr.field != nil {
		inner = tr.field
	}
	reason, ok := p.b.prog.Reason(inner.Pos())
	if ok {
		text = brief(reason.Msg)
	}
	d := check.FieldType.At(at, "", "field %s of %s: %s", v.Name(), p.task.Struct, text)
	if ok {
		where := p.b.at(reason.Pos, 0)
		if p.b.prog.Fset.File(reason.Pos) == p.b.prog.Fset.File(v.Pos()) && where.Pos.Line == at.Pos.Line {
			d.Pos, d.End = where.Pos, 0
		} else {
			d = check.Related(d, where.Pos, "this is why")
		}
	}
	p.b.report(d)
}

// brief is a message of go/types or go list on one line: what follows the first
// says where else to look.
func brief(msg string) string {
	if strings.HasPrefix(msg, "could not import") {
		return strings.Join(strings.Fields(msg), " ")
	}
	line, _, _ := strings.Cut(msg, "\n")
	return line
}

// collisions reports fields that take each other's JSON name.
func (p *payload) collisions(st *types.Struct) {
	_, collisions := jsonFields(st)
	for _, c := range collisions {
		d := check.FieldCollision.At(p.spanOf(c.second.top), "", "%s is the JSON name of two fields of %s, %s and %s: encoding/json drops both",
			c.first.name, p.task.Struct, qualified(c.first), qualified(c.second))
		p.b.report(check.Related(d, p.spanOf(c.first.top).Pos, "the other one"))
	}
}

func qualified(f jsonField) string {
	if f.top != f.v {
		return f.top.Name() + "." + f.v.Name()
	}
	return f.v.Name()
}

// tags reads the task tag of one of the task's own fields.
func (p *payload) tags(m *model.Field, v *types.Var, tag string, syntax *ast.Field, travels bool) {
	text, tagged := reflect.StructTag(tag).Lookup("task")
	if !tagged && unreadable(tag) {
		p.b.report(check.TagUnknown.At(p.b.at(syntax.Tag.Pos(), len(syntax.Tag.Value)), "write it as `task:\"secret\"`, with quotes and without spaces",
			"the tag %s of field %s cannot be read", syntax.Tag.Value, v.Name()))
	}
	_, named := reflect.StructTag(tag).Lookup("json")
	if !v.Exported() && !v.Embedded() && (tagged || named && !parseJSONTag(tag).skip) {
		p.b.report(check.FieldUnexported.At(p.spanOf(v), "", "field %s of %s is tagged and not exported", v.Name(), p.task.Struct))
		return
	}
	if !tagged {
		return
	}
	at := p.tagSpan(syntax.Tag, text)
	words, ok := p.words(at, text)
	switch {
	case !ok:
		return
	case !travels:
		p.b.report(check.TagUseless.At(at, "", "field %s of %s is tagged %s and does not travel", v.Name(), p.task.Struct, text))
		return
	case m.JSON == "":
		p.b.report(check.TagPlace.At(at, "name the field: "+v.Name()+" "+p.b.text(v.Type()), "%s on the embedded %s, whose fields stand in its place", text, v.Name()))
		return
	}
	m.Required, m.Group, m.Secret = slices.Contains(words, "required"), slices.Contains(words, "group"), slices.Contains(words, "secret")
	for _, w := range words {
		p.task.Places["field."+v.Name()+"."+w] = at
	}
	if m.Secret {
		p.secrets = append(p.secrets, m.JSON)
		p.holders[p.named] = true
	}
}

var (
	quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	meant  = regexp.MustCompile(`(?i)\btask(gen)?\s*:`)
)

// unreadable says that a tag which has no task for Go was meant to have it. A
// secret would be shown.
func unreadable(tag string) bool { return meant.MatchString(quoted.ReplaceAllString(tag, `""`)) }

// words splits a task tag, and reports what is wrong with it.
func (p *payload) words(at model.Span, text string) ([]string, bool) {
	var words []string
	known := directive.TagNames()
	for _, w := range strings.Split(text, ",") {
		switch {
		case !slices.Contains(known, w):
			p.b.report(check.TagUnknown.At(at, check.DidYouMean(w, known), `unknown word %q in the tag task:%q`, w, text))
			return nil, false
		case slices.Contains(words, w):
			p.b.report(check.TagRepeated.At(at, "", "%s is there twice in the tag task:%q", w, text))
			return nil, false
		}
		words = append(words, w)
	}
	return words, true
}

// nested reads the task tag of a field below the task's own. It says whether the
// field is a secret.
func (p *payload) nested(path string, v *types.Var, tag string, travels bool) bool {
	text, tagged := reflect.StructTag(tag).Lookup("task")
	if !tagged && unreadable(tag) {
		p.b.report(check.TagUnknown.At(p.spanOf(v), "write it as `task:\"secret\"`, with quotes and without spaces", "the tag %q of field %s cannot be read", tag, v.Name()))
	}
	if !tagged {
		return false
	}
	words, ok := p.words(p.spanOf(v), text)
	switch {
	case !ok:
	case slices.Contains(words, "required"), slices.Contains(words, "group"):
		p.b.report(check.TagPlace.At(p.spanOf(v), "move the field into the task, or remove the tag", "%s on field %s, which is not a field of the task itself", text, v.Name()))
	case !travels:
		p.b.report(check.TagUseless.At(p.spanOf(v), "", "field %s is tagged %s and does not travel", v.Name(), text))
	case path == "" || structOf(v.Type()) != nil && v.Embedded() && parseJSONTag(tag).name == "":
		p.b.report(check.TagPlace.At(p.spanOf(v), "name the field: "+v.Name()+" "+p.b.text(v.Type()), "%s on the embedded %s, whose fields stand in its place", text, v.Name()))
	default:
		p.secrets = append(p.secrets, path)
		return true
	}
	return false
}

// encoded reports tags on fields of a struct that encodes itself: there is no
// telling where such a field is in the message.
func (p *payload) encoded(t *types.Named, st *types.Struct) {
	for i := range st.NumFields() {
		if text, tagged := reflect.StructTag(st.Tag(i)).Lookup("task"); tagged {
			v := st.Field(i)
			p.b.report(check.TagUseless.At(p.spanOf(v), "put the tag on the field of the task that holds it",
				"field %s is tagged %s, and %s encodes itself", v.Name(), text, t.Obj().Name()))
		}
	}
}

// secretPaths are the JSON paths of all secrets, sorted. What lies below a
// secret is hidden with it. No path leads to all secrets of a type that holds
// itself: there the inner value is hidden as a whole.
func (p *payload) secretPaths() []string {
	for _, c := range p.cuts {
		if p.holders[c.t] {
			p.secrets = append(p.secrets, strings.TrimRight(c.path, ".*")) // the list itself
		}
	}
	slices.Sort(p.secrets)
	paths := slices.Compact(p.secrets)
	all := make(map[string]bool, len(paths))
	for _, path := range paths {
		all[path] = true
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		for i := range path {
			if path[i] == '.' && all[path[:i]] {
				return true
			}
		}
		return false
	})
}

// tagSpan is where a text stands in a struct tag; all of the tag when it is not
// there letter by letter.
func (p *payload) tagSpan(lit *ast.BasicLit, text string) model.Span {
	if i := strings.Index(lit.Value, `task:"`+text+`"`); i >= 0 {
		return p.b.at(lit.Pos()+token.Pos(i), len(`task:""`)+len(text))
	}
	return p.b.at(lit.Pos(), len(lit.Value))
}
