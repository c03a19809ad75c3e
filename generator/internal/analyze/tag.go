package analyze

import (
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/jsontype"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
	"github.com/taskgen/taskgen/internal/typeinfo"
)

// fieldName is the name of a field, after the name of the struct of the package that
// declares it, if one does.
func (b *builder) fieldName(v *types.Var) string {
	if b.structs == nil {
		b.structs = make(map[*types.Var]string)
		scope := b.pkg.Types.Scope()
		for _, name := range scope.Names() {
			if st, ok := scope.Lookup(name).Type().Underlying().(*types.Struct); ok {
				for field := range st.Fields() {
					b.structs[field] = name
				}
			}
		}
	}
	if holder := b.structs[v.Origin()]; holder != "" {
		return holder + "." + v.Name()
	}
	return v.Name()
}

// words splits the task tag of a field, and reports what is wrong with it.
func (b *builder) words(at model.Span, text, field string) ([]string, bool) {
	var words []string
	known := directive.TagNames()
	for _, w := range strings.Split(text, ",") {
		switch {
		case !slices.Contains(known, w):
			b.report(rule.TagUnknown.At(at, rule.DidYouMean(w, known), `unknown word %q in the tag task:%q of %s`, w, text, field))
			return nil, false
		case slices.Contains(words, w):
			b.report(rule.TagRepeated.At(at, "", "%s occurs twice in the tag task:%q of %s", w, text, field))
			return nil, false
		}
		words = append(words, w)
	}
	return words, true
}

// jsonOptions are the options that encoding/json knows.
var jsonOptions = []string{"omitempty", "omitzero", "string"}

// jsonTag warns about parts of a field's tag that encoding/json ignores: the field is
// encoded, but not as the tag says.
func (b *builder) jsonTag(v *types.Var, tag string) {
	name := b.fieldName(v)
	warn := func(format string, args ...any) {
		b.report(rule.FieldTag.At(b.at(v.Pos(), len(v.Name())), "", format, args...))
	}
	text, tagged := reflect.StructTag(tag).Lookup("json")
	if !tagged {
		if directive.Unreadable(tag, "json") {
			warn("the tag %q of field %s cannot be read", tag, name)
		}
		return
	}
	jsonName, options, more := strings.Cut(text, ",")
	if jsonName != "" && jsonName != "-" && !typeinfo.ValidName(jsonName) {
		warn("encoding/json does not accept the name %q of field %s, and uses %s", jsonName, name, v.Name())
	}
	if !more {
		return
	}
	for _, option := range strings.Split(options, ",") {
		switch {
		case option == "":
		case !slices.Contains(jsonOptions, option):
			warn("encoding/json does not know the option %q in the tag of field %s", option, name)
		case option == "string" && !jsontype.Quotes(v, tag):
			warn("the option string has no effect on field %s: it is for strings, numbers and booleans", name)
		}
	}
}
