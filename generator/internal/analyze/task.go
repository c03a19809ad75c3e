package analyze

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/jsontype"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// at is a position in a source file.
func (b *builder) at(pos token.Pos, length int) model.Span {
	return directive.SpanAt(b.prog.Fset, pos, length)
}

// tasks makes the models of the annotated structs concurrently. Reports are in the
// order of the structs.
func (b *builder) tasks() []model.Task {
	all := b.found.Types
	if len(all) == 0 {
		return nil
	}
	b.comments()
	b.results = make(map[*directive.Arg]result) // finding one may change the program
	for _, t := range all {
		if arg := t.Get("task").Arg("result"); arg != nil && arg.Value != nil {
			typ, err := b.prog.Eval(b.pkg, load.Expr{File: t.File, Expr: arg.Value.(ast.Expr)})
			b.results[arg] = result{typ, err}
		}
	}
	builders := make([]builder, min(runtime.GOMAXPROCS(0), len(all)))
	tasks := make([][]model.Task, len(builders))
	var g errgroup.Group
	for i := range builders {
		builders[i] = *b
		builders[i].diags, builders[i].memo = nil, b.newMemo()
		g.Go(func() error {
			for _, t := range all[i*len(all)/len(builders) : (i+1)*len(all)/len(builders)] {
				if task, ok := builders[i].task(t); ok {
					tasks[i] = append(tasks[i], task)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return nil
	for i := range builders {
		b.report(builders[i].diags...)
	}
	return slices.Concat(tasks...)
}

// A result is the type that result= names, or why there is none.
type result struct {
	typ types.Type
	err error
}

// task makes the model of one annotated struct. It returns false, and reports why, if it
// cannot.
func (b *builder) task(t *directive.Type) (model.Task, bool) {
	if t.Get("task") == nil {
		d := t.Directives[0]
		b.report(rule.TaskUnmarked.At(d.Span, "", "%s is no task: //taskgen:%s has no effect", t.Spec.Name.Name, d.Spec.Name))
		return model.Task{}, false
	}
	named, st, ok := b.structType(t)
	if !ok {
		return model.Task{}, false
	}
	name := t.Spec.Name
	span := b.at(name.Pos(), len(name.Name))
	m := model.Task{
		Struct: name.Name, Base: baseName(name.Name), Doc: t.Doc,
		Pos: span.Pos, Places: model.Places{"struct": span},
		Methods: methods(named), Promoted: promoted(st),
	}
	m.Type = wireName(m.Base)
	b.policies(t, &m)
	if problem := directive.CheckTaskName(m.Type); problem != "" && t.Get("task").Arg("name") == nil {
		b.report(rule.ValueName.At(span, "give it another one with name=", "the name %s that %s would have: %s", m.Type, m.Struct, problem))
	}
	b.result(t, &m)
	if v, lock := lockIn(named); lock != nil {
		b.report(rule.FieldCopied.At(b.at(v.Pos(), len(v.Name())), "", "%s cannot be copied: its field %s is or contains a %s", m.Struct, v.Name(), b.json.Text(lock)))
	}
	r := fieldReader{b: b, task: &m, named: named, holders: make(map[*types.Named]bool)}
	r.fields(st, t.Spec.Type.(*ast.StructType))
	m.Secrets = r.secretPaths()
	m.Payload = b.json.Payload(named, b.comments(), func(v *types.Var) model.Span { return b.at(v.Pos(), len(v.Name())) })
	m.Shape = jsontype.Shape(named)
	return m, true
}

// methods lists the methods of a pointer to the type, promoted ones included.
func methods(named *types.Named) []string {
	set := types.NewMethodSet(types.NewPointer(named))
	names := make([]string, set.Len())
	for i := range names {
		names[i] = set.At(i).Obj().Name()
	}
	slices.Sort(names)
	return names
}

// promoted lists the fields that a struct has from those that it embeds.
func promoted(st *types.Struct) []string {
	var (
		names []string
		seen  = make(map[*types.Struct]bool)
		visit func(st *types.Struct, own bool)
	)
	visit = func(st *types.Struct, own bool) {
		if st == nil || seen[st] {
			return
		}
		seen[st] = true
		for v := range st.Fields() {
			if !own {
				names = append(names, v.Name())
			}
			if v.Embedded() {
				visit(jsontype.StructOf(v.Type()), false)
			}
		}
	}
	visit(st, true)
	slices.Sort(names)
	return slices.Compact(names)
}

// result resolves the type that result= names.
func (b *builder) result(t *directive.Type, m *model.Task) {
	arg := t.Get("task").Arg("result")
	if arg == nil || arg.Value == nil {
		return
	}
	typ, err := b.results[arg].typ, b.results[arg].err
	if err != nil {
		fix := ""
		if ident, ok := arg.Value.(*ast.Ident); ok {
			if near, ok := rule.Nearest(ident.Name, b.typeNames()); ok {
				fix = "did you mean " + near + "?"
			}
		}
		b.report(rule.TaskResult.At(arg.Span, fix, "result=%s: %s", arg.Text, err))
		return
	}
	if endless := b.endless(typ); endless != nil {
		b.report(rule.TaskResult.At(arg.Span, mend(instantiationCycle), "result=%s: %s", arg.Text, cycleOf(endless)))
		return
	}
	if !b.carries(typ, arg) {
		return
	}
	result := b.typeOf(typ)
	m.Result = &result
}

// carries reports whether a result can be encoded, and reports what is wrong with it and
// with the tags in it. Results may share types with payloads: required and group do not
// apply to them.
func (b *builder) carries(typ types.Type, arg *directive.Arg) bool {
	onLoss := func(l jsontype.Loss) {
		at := arg.Span
		if l.Owner != nil {
			at = b.at(l.Owner.Pos(), len(l.Owner.Name()))
		}
		b.report(b.lossOf(l, at))
	}
	onField := func(_ string, v *types.Var, tag string, travels bool, _ []*types.Named) {
		at := b.at(v.Pos(), len(v.Name()))
		text, tagged := reflect.StructTag(tag).Lookup("task")
		switch {
		case !tagged && directive.Unreadable(tag, "task"):
			b.report(rule.TagUnknown.At(at, "write it as `task:\"secret\"`, with quotes and without spaces", "the tag %q of field %s cannot be read", tag, b.fieldName(v)))
		case !tagged:
		case !travels:
			b.report(rule.TagUseless.At(at, "", "field %s is tagged %s and is not part of the message", b.fieldName(v), text))
		default:
			b.words(at, text, b.fieldName(v))
		}
		if v.Pkg() == b.pkg.Types {
			b.jsonTag(v, tag)
		}
	}
	p := b.json.Walk(typ, jsontype.Visitor{Field: onField, Loss: onLoss})
	if p != nil && !p.Tangled {
		b.report(rule.TaskResult.At(arg.Span, "name a type that JSON can encode and decode", "result=%s: %s", arg.Text, p.Text))
		return false
	}
	return true
}

// typeNames are the types that the package declares.
func (b *builder) typeNames() []string {
	return slices.DeleteFunc(b.pkg.Scope(), func(name string) bool { return !b.pkg.IsType(name) })
}
