package analyze

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/jsontype"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// A fieldReader reads the fields of one task's struct.
type fieldReader struct {
	b       *builder
	task    *model.Task
	named   *types.Named
	secrets []string
	// opaque says that the struct encodes itself: the positions of its fields in the
	// message are not known.
	opaque bool
	// inherited are the task's fields out of embedded structs.
	inherited map[*types.Var]*model.Field
	// cuts are the points where types refer back to themselves, and holders the types
	// that contain a secret at any depth.
	cuts    []cut
	holders map[*types.Named]bool
}

type cut struct {
	path string
	t    *types.Named
}

// fields fills in the fields of the task, and reports what is wrong with them.
func (r *fieldReader) fields(st *types.Struct, syntax *ast.StructType) {
	r.task.Fields = r.b.literal(st)
	r.inherit(st)
	written := r.encoding()
	i := 0
	for _, field := range syntax.Fields.List {
		for range max(1, len(field.Names)) {
			if i < st.NumFields() {
				r.field(&r.task.Fields[i], st.Field(i), st.Tag(i), field, written)
			}
			i++
		}
	}
	if r.opaque {
		r.keys(st)
		return
	}
	r.collisions(st)
	r.b.json.WalkOwn(st, r.lost)
}

// encoding checks how the struct itself is encoded. It reports whether a method reads its
// fields back.
func (r *fieldReader) encoding() (written bool) {
	name := r.b.at(r.named.Obj().Pos(), len(r.task.Struct))
	if method, by := jsontype.PromotedCodec(r.named); by != nil {
		r.b.report(rule.FieldMarshaler.At(r.spanOf(by), "name the field: "+by.Name()+" "+r.b.json.Text(by.Type()),
			"the embedded %s promotes its %s to %s: all other fields would be lost", by.Name(), method, r.task.Struct))
	} else if p := r.b.json.WalkRoot(r.named); p != nil {
		r.b.report(rule.FieldKind.At(name, "give it both methods, or none", "%s cannot be a message: %s", r.task.Struct, p.Text))
	}
	r.opaque = jsontype.EncodesItself(r.named)
	return jsontype.DecodesItself(r.named)
}

func (r *fieldReader) spanOf(v *types.Var) model.Span { return r.b.at(v.Pos(), len(v.Name())) }

// field checks one field and its tags.
func (r *fieldReader) field(m *model.Field, v *types.Var, tag string, syntax *ast.Field, written bool) {
	_, travels := jsontype.FieldName(v, tag)
	r.b.jsonTag(v, tag)
	r.tags(m, v, tag, syntax, travels)
	if r.opaque {
		r.sealed(m, v.Type())
		return
	}
	if !travels {
		return
	}
	onField := func(path string, v *types.Var, tag string, travels bool, around []*types.Named) {
		if r.nested(path, v, tag, travels) {
			for _, holder := range around {
				r.holders[holder] = true
			}
		}
	}
	onCut := func(path string, t *types.Named) { r.cuts = append(r.cuts, cut{path, t}) }
	p := r.b.json.WalkMember(r.named, v, tag, m.Secret, written, jsontype.Visitor{Field: onField, Cut: onCut, Loss: r.lost})
	switch at := r.spanOf(v); {
	case p == nil:
	case p.Unresolved:
		r.unresolved(v, p)
	case p.Tangled:
		if !m.Secret {
			r.b.report(rule.SecretWays.At(at, "", "field %s of %s: too many paths lead to the secrets in it", v.Name(), r.task.Struct))
		}
	default:
		r.b.report(rule.FieldKind.At(at, "", "field %s of %s cannot be in a message: %s", v.Name(), r.task.Struct, p.Text))
	}
}

// keys checks the fields that make an opaque task unique: they are not in the message,
// but have to be encoded for the key.
func (r *fieldReader) keys(st *types.Struct) {
	if r.task.Unique == nil {
		return
	}
	for v := range st.Fields() {
		if !slices.Contains(r.task.Unique.By, v.Name()) {
			continue
		}
		if p := r.b.json.WalkKey(v.Type()); p != nil {
			r.b.report(rule.UniqueField.At(r.task.Places.Of("unique.by"), "name another field", "field %s of %s cannot be part of a key: %s", v.Name(), r.task.Struct, p.Text))
		}
	}
}

// sealed hides all of a message in which secrets cannot be located.
func (r *fieldReader) sealed(m *model.Field, t types.Type) {
	if r.b.json.Tagged(t) {
		m.Secret = true
		r.secrets = append(r.secrets, model.SecretPath())
	}
}

// lost reports losses of a payload that can be fixed.
func (r *fieldReader) lost(l jsontype.Loss) {
	at := r.b.at(r.named.Obj().Pos(), len(r.task.Struct))
	if l.Owner != nil {
		at = r.spanOf(l.Owner)
	}
	r.b.report(r.b.lossOf(l, at))
}

// unresolved reports a type that could not be resolved, in go/types' own words
// where it has any.
func (r *fieldReader) unresolved(v *types.Var, p *jsontype.Problem) {
	at, text := r.spanOf(v), p.Text
	inner := v
	if p.Field != nil {
		inner = p.Field
	}
	reason, ok := r.b.prog.Reason(inner.Pos())
	if ok {
		text = brief(reason.Msg)
	}
	d := rule.FieldType.At(at, mend(reason.Msg), "field %s of %s: %s", v.Name(), r.task.Struct, text)
	if ok {
		where := r.b.at(reason.Pos, 0)
		if r.b.prog.Fset.File(reason.Pos) == r.b.prog.Fset.File(v.Pos()) && where.Pos.Line == at.Pos.Line {
			d.Pos, d.End = where.Pos, 0
		} else {
			d = rule.Related(d, where.Pos, "this is why")
		}
	}
	r.b.report(d)
}

// brief is the first line of a message of go/types or go list: the others say where
// else to look.
func brief(msg string) string {
	if strings.HasPrefix(msg, "could not import") {
		return strings.Join(strings.Fields(msg), " ")
	}
	line, _, _ := strings.Cut(msg, "\n")
	return strings.TrimSuffix(line, ":")
}

// collisions reports fields that take each other's JSON name.
func (r *fieldReader) collisions(st *types.Struct) {
	for _, c := range r.b.json.Object(st).Collisions {
		d := rule.FieldCollision.At(r.spanOf(c.Second.Top), "", "%s is the JSON name of two fields of %s, %s and %s: encoding/json drops both",
			c.First.Name, r.task.Struct, c.First.Qualified(), c.Second.Qualified())
		r.b.report(rule.Related(d, r.spanOf(c.First.Top).Pos, "the other one"))
	}
}

// inherit finds the fields that the task has from embedded structs: those that are beside
// its own in JSON, and that Go selects by their names.
func (r *fieldReader) inherit(st *types.Struct) {
	r.inherited = make(map[*types.Var]*model.Field)
	var vars []*types.Var
	for _, f := range r.b.json.Object(st).Fields {
		if f.Top == f.Var {
			continue
		}
		obj, _, indirect := types.LookupFieldOrMethod(r.named, true, r.b.pkg.Types, f.Var.Name())
		if obj != f.Var {
			continue
		}
		vars = append(vars, f.Var)
		r.task.Inherited = append(r.task.Inherited, model.Field{
			Name: f.Var.Name(), JSON: f.Name, Tag: f.Tag, Type: r.b.typeOf(f.Var.Type()), Pos: r.spanOf(f.Var).Pos, Indirect: indirect,
		})
	}
	for i, v := range vars {
		r.inherited[v] = &r.task.Inherited[i]
	}
}

// tags reads the task tag of one of the task's own fields.
func (r *fieldReader) tags(m *model.Field, v *types.Var, tag string, syntax *ast.Field, travels bool) {
	text, tagged := reflect.StructTag(tag).Lookup("task")
	if !tagged && directive.Unreadable(tag, "task") {
		r.b.report(rule.TagUnknown.At(r.b.at(syntax.Tag.Pos(), len(syntax.Tag.Value)), "write it as `task:\"secret\"`, with quotes and without spaces",
			"the tag %s of field %s cannot be read", syntax.Tag.Value, v.Name()))
	}
	_, named := reflect.StructTag(tag).Lookup("json")
	if !v.Exported() && !v.Embedded() && (tagged || named && !jsontype.ParseTag(tag).Skip) {
		r.b.report(rule.FieldUnexported.At(r.spanOf(v), "", "field %s of %s is tagged and not exported", v.Name(), r.task.Struct))
		return
	}
	if !tagged {
		return
	}
	at := r.tagSpan(syntax.Tag, text)
	words, ok := r.b.words(at, text, r.task.Struct+"."+v.Name())
	switch {
	case !ok:
		return
	case !travels:
		r.b.report(rule.TagUseless.At(at, "", "field %s of %s is tagged %s and is not part of the message", v.Name(), r.task.Struct, text))
		return
	case m.JSON == "":
		r.b.report(rule.TagPlace.At(at, "name the field: "+v.Name()+" "+r.b.json.Text(v.Type()), "%s on the embedded %s, which is replaced by its fields", text, v.Name()))
		return
	}
	r.mark(m, words, at)
	if m.Secret {
		path := model.SecretPath(m.JSON)
		if r.opaque {
			path = model.SecretPath()
		}
		r.secrets = append(r.secrets, path)
		r.holders[r.named] = true
	}
}

// mark applies the words of a tag to a field.
func (r *fieldReader) mark(m *model.Field, words []string, at model.Span) {
	m.Required, m.Group, m.Secret = slices.Contains(words, "required"), slices.Contains(words, "group"), slices.Contains(words, "secret")
	for _, w := range words {
		r.task.Places["field."+m.Name+"."+w] = at
	}
}

// nested reads the task tag of a field below the task's own. It reports whether the field
// is a secret.
func (r *fieldReader) nested(path string, v *types.Var, tag string, travels bool) bool {
	text, tagged := reflect.StructTag(tag).Lookup("task")
	name := r.b.fieldName(v)
	if v.Pkg() == r.b.pkg.Types {
		r.b.jsonTag(v, tag)
	}
	if !tagged && directive.Unreadable(tag, "task") {
		r.b.report(rule.TagUnknown.At(r.spanOf(v), "write it as `task:\"secret\"`, with quotes and without spaces", "the tag %q of field %s cannot be read", tag, name))
	}
	if !tagged {
		return false
	}
	words, ok := r.b.words(r.spanOf(v), text, name)
	m := r.inherited[v]
	if m != nil && path != model.SecretPath(m.JSON) {
		m = nil // the same type, elsewhere in the task
	}
	ordered := slices.Contains(words, "required") || slices.Contains(words, "group")
	switch {
	case !ok:
		return false
	case ordered && m == nil:
		r.b.report(rule.TagPlace.At(r.spanOf(v), "move the field into the task, or remove the tag", "%s on field %s, which is not a field of the task itself", text, name))
		return false
	case ordered && m.Indirect:
		r.b.report(rule.TagPlace.At(r.spanOf(v), "embed the struct itself, or move the field into the task", "%s on field %s, which %s has from an embedded pointer to a struct: the pointer may be nil", text, name, r.task.Struct))
		return false
	case !travels:
		r.b.report(rule.TagUseless.At(r.spanOf(v), "", "field %s is tagged %s and is not part of the message", name, text))
		return false
	case path == "" || jsontype.StructOf(v.Type()) != nil && v.Embedded() && jsontype.ParseTag(tag).Name == "":
		r.b.report(rule.TagPlace.At(r.spanOf(v), "name the field: "+v.Name()+" "+r.b.json.Text(v.Type()), "%s on the embedded %s, which is replaced by its fields", text, v.Name()))
		return false
	}
	if m != nil {
		r.mark(m, words, r.spanOf(v))
	}
	if !slices.Contains(words, "secret") {
		return false
	}
	r.secrets = append(r.secrets, path)
	return true
}

// secretPaths are the JSON paths of all secrets, sorted. Values below a secret are
// hidden with it. In a type that contains itself no finite set of paths reaches all
// secrets: there the inner value is hidden as a whole.
func (r *fieldReader) secretPaths() []string {
	for _, c := range r.cuts {
		if r.holders[c.t] {
			r.secrets = append(r.secrets, strings.TrimRight(c.path, "/"+model.EveryElement)) // the list itself
		}
	}
	slices.Sort(r.secrets)
	paths := slices.Compact(r.secrets)
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

// tagSpan is the position of a text in a struct tag; the whole tag if the text is not
// in it literally.
func (r *fieldReader) tagSpan(lit *ast.BasicLit, text string) model.Span {
	if i := strings.Index(lit.Value, `task:"`+text+`"`); i >= 0 {
		return r.b.at(lit.Pos()+token.Pos(i), len(`task:""`)+len(text))
	}
	return r.b.at(lit.Pos(), len(lit.Value))
}
