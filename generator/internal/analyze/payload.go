package analyze

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// payload reads the fields of one task's struct.
type payload struct {
	b       *builder
	task    *model.Task
	named   *types.Named
	secrets []string
	// opaque says that the struct encodes itself: which field is where in the
	// message nobody knows.
	opaque bool
	// inherited are the task's fields out of embedded structs.
	inherited map[*types.Var]*model.Field
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
	p.inherit(st)
	own := p.encoding()
	i := 0
	for _, field := range syntax.Fields.List {
		for range max(1, len(field.Names)) {
			if i < st.NumFields() {
				p.field(&p.task.Fields[i], st.Field(i), st.Tag(i), field, own)
			}
			i++
		}
	}
	if p.opaque {
		p.keys(st)
		return
	}
	p.collisions(st)
	w := newWalker(p.b)
	w.onLoss = p.lost
	w.losses(st, p.b.jsonFields(st))
}

// encoding looks at how the struct itself is encoded, and says at which place its
// fields are.
func (p *payload) encoding() place {
	at := place{addressable: true}
	name := p.b.at(p.named.Obj().Pos(), len(p.task.Struct))
	if method, by := promotedCodec(p.named); by != nil {
		p.b.report(rule.FieldMarshaler.At(p.spanOf(by), "name the field: "+by.Name()+" "+p.b.text(by.Type()),
			"the embedded %s brings its %s to %s: all other fields would be lost", by.Name(), method, p.task.Struct))
	} else if tr := newWalker(p.b).pair(p.named, at); tr != nil {
		p.b.report(rule.FieldKind.At(name, "give it both methods, or none", "%s cannot travel: %s", p.task.Struct, tr.text))
	}
	p.opaque = encodesItself(p.named)
	dec, _ := decoderAt(p.named)
	at.written = dec != natural
	return at
}

func (p *payload) spanOf(v *types.Var) model.Span { return p.b.at(v.Pos(), len(v.Name())) }

// field checks one field and its tags.
func (p *payload) field(m *model.Field, v *types.Var, tag string, syntax *ast.Field, at place) {
	name, travels := jsonName(v, tag)
	p.b.jsonTag(v, tag)
	p.tags(m, v, tag, syntax, travels)
	if p.opaque {
		p.sealed(m, v.Type())
		return
	}
	if !travels {
		return
	}
	w := newWalker(p.b)
	w.onField = func(path string, v *types.Var, tag string, travels bool) {
		if p.nested(path, v, tag, travels) {
			for _, holder := range w.stack {
				p.holders[holder] = true
			}
		}
	}
	w.onCut = func(path string, t *types.Named) { p.cuts = append(p.cuts, cut{path, t}) }
	w.onLoss = p.lost
	if name != "" {
		w.path = []string{model.SecretPath(name)}
	}
	w.stack = []*types.Named{p.named}
	w.owner, w.inner, w.secret = v, v, m.Secret
	tr := w.member(v, tag, at)
	switch at := p.spanOf(v); {
	case tr == nil:
	case tr.unresolved:
		p.unresolved(v, tr)
	case tr.tangled:
		if !m.Secret {
			p.b.report(rule.SecretWays.At(at, "", "field %s of %s: there are too many ways to the secrets in it", v.Name(), p.task.Struct))
		}
	default:
		p.b.report(rule.FieldKind.At(at, "", "field %s of %s cannot travel: %s", v.Name(), p.task.Struct, tr.text))
	}
}

// keys looks at the fields that make an opaque task unique: they do not travel, and
// have to be encoded for the key all the same.
func (p *payload) keys(st *types.Struct) {
	if p.task.Unique == nil {
		return
	}
	for v := range st.Fields() {
		if !slices.Contains(p.task.Unique.By, v.Name()) {
			continue
		}
		if tr := newWalker(p.b).value(v.Type(), place{addressable: true, written: true}); tr != nil {
			p.b.report(rule.UniqueField.At(p.task.Places.Of("unique.by"), "name another field", "field %s of %s cannot be part of a key: %s", v.Name(), p.task.Struct, tr.text))
		}
	}
}

// sealed hides all of a message whose secrets nobody can find in it.
func (p *payload) sealed(m *model.Field, t types.Type) {
	if p.b.tagged(t) {
		m.Secret = true
		p.secrets = append(p.secrets, model.SecretPath())
	}
}

// lost reports what is lost of a payload, where it can be mended.
func (p *payload) lost(l loss) {
	at := p.b.at(p.named.Obj().Pos(), len(p.task.Struct))
	if l.owner != nil {
		at = p.spanOf(l.owner)
	}
	p.b.report(p.b.lossOf(l, at))
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
	d := rule.FieldType.At(at, mend(reason.Msg), "field %s of %s: %s", v.Name(), p.task.Struct, text)
	if ok {
		where := p.b.at(reason.Pos, 0)
		if p.b.prog.Fset.File(reason.Pos) == p.b.prog.Fset.File(v.Pos()) && where.Pos.Line == at.Pos.Line {
			d.Pos, d.End = where.Pos, 0
		} else {
			d = rule.Related(d, where.Pos, "this is why")
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
	return strings.TrimSuffix(line, ":")
}

// collisions reports fields that take each other's JSON name.
func (p *payload) collisions(st *types.Struct) {
	for _, c := range p.b.jsonFields(st).collisions {
		d := rule.FieldCollision.At(p.spanOf(c.second.top), "", "%s is the JSON name of two fields of %s, %s and %s: encoding/json drops both",
			c.first.name, p.task.Struct, qualified(c.first), qualified(c.second))
		p.b.report(rule.Related(d, p.spanOf(c.first.top).Pos, "the other one"))
	}
}

func qualified(f jsonField) string {
	if f.top != f.v {
		return f.top.Name() + "." + f.v.Name()
	}
	return f.v.Name()
}

// inherit finds the fields that the task has from structs that it embeds: those that
// stand beside its own in JSON, and that Go selects by their names.
func (p *payload) inherit(st *types.Struct) {
	p.inherited = make(map[*types.Var]*model.Field)
	var vars []*types.Var
	for _, f := range p.b.jsonFields(st).fields {
		if f.top == f.v {
			continue
		}
		obj, _, indirect := types.LookupFieldOrMethod(p.named, true, p.b.pkg.Types, f.v.Name())
		if obj != f.v {
			continue
		}
		vars = append(vars, f.v)
		p.task.Inherited = append(p.task.Inherited, model.Field{
			Name: f.v.Name(), JSON: f.name, Tag: f.tag, Type: p.b.typeOf(f.v.Type()), Pos: p.spanOf(f.v).Pos, Indirect: indirect,
		})
	}
	for i, v := range vars {
		p.inherited[v] = &p.task.Inherited[i]
	}
}

// tags reads the task tag of one of the task's own fields.
func (p *payload) tags(m *model.Field, v *types.Var, tag string, syntax *ast.Field, travels bool) {
	text, tagged := reflect.StructTag(tag).Lookup("task")
	if !tagged && directive.Unreadable(tag, "task") {
		p.b.report(rule.TagUnknown.At(p.b.at(syntax.Tag.Pos(), len(syntax.Tag.Value)), "write it as `task:\"secret\"`, with quotes and without spaces",
			"the tag %s of field %s cannot be read", syntax.Tag.Value, v.Name()))
	}
	_, named := reflect.StructTag(tag).Lookup("json")
	if !v.Exported() && !v.Embedded() && (tagged || named && !parseJSONTag(tag).skip) {
		p.b.report(rule.FieldUnexported.At(p.spanOf(v), "", "field %s of %s is tagged and not exported", v.Name(), p.task.Struct))
		return
	}
	if !tagged {
		return
	}
	at := p.tagSpan(syntax.Tag, text)
	words, ok := p.b.words(at, text, p.task.Struct+"."+v.Name())
	switch {
	case !ok:
		return
	case !travels:
		p.b.report(rule.TagUseless.At(at, "", "field %s of %s is tagged %s and does not travel", v.Name(), p.task.Struct, text))
		return
	case m.JSON == "":
		p.b.report(rule.TagPlace.At(at, "name the field: "+v.Name()+" "+p.b.text(v.Type()), "%s on the embedded %s, whose fields stand in its place", text, v.Name()))
		return
	}
	p.mark(m, words, at)
	if m.Secret {
		path := model.SecretPath(m.JSON)
		if p.opaque {
			path = model.SecretPath()
		}
		p.secrets = append(p.secrets, path)
		p.holders[p.named] = true
	}
}

// mark notes what the words of a tag make of a field.
func (p *payload) mark(m *model.Field, words []string, at model.Span) {
	m.Required, m.Group, m.Secret = slices.Contains(words, "required"), slices.Contains(words, "group"), slices.Contains(words, "secret")
	for _, w := range words {
		p.task.Places["field."+m.Name+"."+w] = at
	}
}

// nested reads the task tag of a field below the task's own. It says whether the
// field is a secret.
func (p *payload) nested(path string, v *types.Var, tag string, travels bool) bool {
	text, tagged := reflect.StructTag(tag).Lookup("task")
	name := p.b.fieldName(v)
	if v.Pkg() == p.b.pkg.Types {
		p.b.jsonTag(v, tag)
	}
	if !tagged && directive.Unreadable(tag, "task") {
		p.b.report(rule.TagUnknown.At(p.spanOf(v), "write it as `task:\"secret\"`, with quotes and without spaces", "the tag %q of field %s cannot be read", tag, name))
	}
	if !tagged {
		return false
	}
	words, ok := p.b.words(p.spanOf(v), text, name)
	m := p.inherited[v]
	if m != nil && path != model.SecretPath(m.JSON) {
		m = nil // the same type, elsewhere in the task
	}
	ordered := slices.Contains(words, "required") || slices.Contains(words, "group")
	switch {
	case !ok:
		return false
	case ordered && m == nil:
		p.b.report(rule.TagPlace.At(p.spanOf(v), "move the field into the task, or remove the tag", "%s on field %s, which is not a field of the task itself", text, name))
		return false
	case ordered && m.Indirect:
		p.b.report(rule.TagPlace.At(p.spanOf(v), "embed the struct itself, or move the field into the task", "%s on field %s, which %s has from a struct that it embeds by a pointer: that may be nil", text, name, p.task.Struct))
		return false
	case !travels:
		p.b.report(rule.TagUseless.At(p.spanOf(v), "", "field %s is tagged %s and does not travel", name, text))
		return false
	case path == "" || structOf(v.Type()) != nil && v.Embedded() && parseJSONTag(tag).name == "":
		p.b.report(rule.TagPlace.At(p.spanOf(v), "name the field: "+v.Name()+" "+p.b.text(v.Type()), "%s on the embedded %s, whose fields stand in its place", text, v.Name()))
		return false
	}
	if m != nil {
		p.mark(m, words, p.spanOf(v))
	}
	if !slices.Contains(words, "secret") {
		return false
	}
	p.secrets = append(p.secrets, path)
	return true
}

// secretPaths are the JSON paths of all secrets, sorted. What lies below a
// secret is hidden with it. No path leads to all secrets of a type that holds
// itself: there the inner value is hidden as a whole.
func (p *payload) secretPaths() []string {
	for _, c := range p.cuts {
		if p.holders[c.t] {
			p.secrets = append(p.secrets, strings.TrimRight(c.path, "/"+model.EveryElement)) // the list itself
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
			if path[i] == '/' && all[path[:i]] {
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
