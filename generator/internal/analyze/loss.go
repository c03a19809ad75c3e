package analyze

import (
	"strings"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/jsontype"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// lossOf is the diagnostic of a loss. at is its position, unless the loss is a field of
// the package.
func (b *builder) lossOf(l jsontype.Loss, at model.Span) diag.Diagnostic {
	var where string
	if l.Owner != nil {
		where = "field " + b.fieldName(l.Owner) + ": "
	}
	if (l.Kind == jsontype.LostUnexported || l.Kind == jsontype.LostShadowed) && l.Field.Pkg() == b.pkg.Types {
		at = b.at(l.Field.Pos(), len(l.Field.Name()))
	}
	switch l.Kind {
	case jsontype.LostWhole:
		if l.Field != nil && l.Field != l.Owner {
			where += "its field " + l.Field.Name() + ": "
		}
		r := rule.FieldEmpty
		if l.Field != nil && b.json.Elsewhere(l.Field.Pkg()) {
			r = rule.FieldLost // whose type it is, the user cannot mend
		}
		return r.At(at, rule.FieldEmpty.Fix, "%snothing of %s is encoded: it has no exported fields", where, b.json.Text(l.Type))
	case jsontype.LostNull:
		return rule.FieldNull.At(at, "", "%sa %s that points to nil is null in JSON, and arrives as nil", where, b.json.Text(l.Type))
	case jsontype.LostKey:
		return rule.FieldKey.At(at, "", "%sMarshalText of %s writes the keys of the map, and encoding/json reads them with UnmarshalJSON", where, b.json.Text(l.Type))
	case jsontype.LostOneWay:
		if l.Field != nil && l.Field != l.Owner {
			where += "its field " + l.Field.Name() + ": "
		}
		return rule.FieldOneWay.At(at, "", "%sMarshalJSON of %s writes it, and encoding/json reads it field by field", where, b.json.Text(l.Type))
	case jsontype.LostTag:
		return rule.TagUseless.At(at, "put the tag on the field that contains it",
			"%s%s is tagged and lies in a type that encodes itself, %s", where, b.fieldName(l.Field), b.json.Text(l.Type))
	case jsontype.LostShadowed:
		if len(l.Names) > 0 {
			return rule.FieldLost.At(at, useOther, "%sfield %s of %s is not part of the message: its field %s has the same JSON name", where, l.Names[0], b.json.Text(l.Type), l.Names[1])
		}
		d := rule.FieldLost.At(at, "give one of the two another JSON name", "field %s is not part of the message where %s is beside it, which has the same JSON name",
			b.fieldName(l.Field), b.fieldName(l.Winner))
		return rule.Related(d, b.at(l.Winner.Pos(), 0).Pos, "%s", l.Winner.Name())
	}
	if len(l.Names) > 0 {
		what, why := "field "+l.Names[0], "is not part of the message: it is not exported"
		if len(l.Names) > 1 {
			what, why = "fields "+strings.Join(l.Names, ", "), "are not part of the message: they are not exported"
		}
		return rule.FieldLost.At(at, useOther, "%s%s of %s %s", where, what, b.json.Text(l.Type), why)
	}
	return rule.FieldLost.At(at, "", "field %s is not part of the message: it is not exported", b.fieldName(l.Field))
}

// useOther is what to do about a loss in a type of another package.
const useOther = "put the data that you need into your own type, or accept the loss with //taskgen:allow"
