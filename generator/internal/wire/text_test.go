package wire

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/model"
)

func text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.String() + "\n")
	}
	return b.String()
}

func value(kind model.ValueKind) model.Value { return model.Value{Kind: kind} }

func ref(name string) model.Value { return model.Value{Kind: model.RefValue, Ref: name} }

func list(elem model.Value) model.Value {
	return model.Value{Kind: model.ListValue, Elem: &elem, Len: -1, Null: true}
}

func object(members ...model.Member) model.Value {
	return model.Value{Kind: model.ObjectValue, Members: members}
}

func member(name string, v model.Value) model.Member { return model.Member{Name: name, Value: v} }

func pointer(v model.Value) model.Value { v.Pointer, v.Null = true, true; return v }

// TestAFormHasATextThatNamesIt holds texts and hashes, which lie in locks and in queues: they
// must not change.
func TestAFormHasATextThatNamesIt(t *testing.T) {
	number, keys := value(model.IntegerValue), model.Value{Kind: model.IntegerValue, Bits: 16, Unsigned: true, Quoted: true}
	number.Bits = 32
	quoted := number
	quoted.Quoted = true
	node := object(member("children", list(pointer(ref("Node")))), member("id", number))
	code := model.Value{Kind: model.AnyValue, Codec: "example.com/shop.Money"}
	table := model.Value{Kind: model.MapValue, Keys: &keys, Elem: &model.Value{Kind: model.ListValue, Len: 2, Elem: &model.Value{Kind: model.RefValue, Ref: "Node", Pointer: true}}}
	for name, c := range map[string]struct {
		payload model.Payload
		lines   string
		hash    string
	}{
		"nothing": {model.Payload{Value: object()}, "/ object\n", "099ffc07f7be"},
		"scalars": {model.Payload{Value: object(
			model.Member{Name: "at", Required: true, Value: value(model.TimeValue)}, member("code", pointer(code)), member("n m", quoted), member("tags", list(value(model.TextValue))),
		)}, "/ object\n/at time required\n/code *any(\"example.com/shop.Money\")\n\"/n m\" int32 quoted\n/tags []text\n", "4e21f68d9b31"},
		"a type that contains itself": {
			model.Payload{Value: ref("Node"), Definitions: []model.Definition{{Name: "Node", Value: node}}},
			"/ object\n/children []*same(\"\")\n/id int32\n", "6c5aa0250f58",
		},
		"a part twice": {
			model.Payload{Value: object(member("a/b", table), member("c", ref("Node"))), Definitions: []model.Definition{{Name: "Node", Value: node}}},
			"/ object\n/a~1b map[uint16][2]*object\n/a~1b/*/*/children []*same(\"/a~1b/*/*\")\n/a~1b/*/*/id int32\n/c same(\"/a~1b/*/*\")\n", "6d5b4571862c",
		},
		"a list of itself": {
			model.Payload{Value: object(member("tree", ref("Tree"))), Definitions: []model.Definition{{Name: "Tree", Value: list(ref("Tree"))}}},
			"/ object\n/tree []same(\"/tree\")\n", "bee19c9348d8",
		},
	} {
		lines := Of(&c.payload).Lines()
		assert.Equal(t, c.lines, text(lines), name)
		assert.Equal(t, c.hash, Hash(lines), name)
	}
}

func TestNamesAndSharedPartsOfGoTypesDoNotCount(t *testing.T) {
	point := object(member("x", value(model.NumberValue)), member("y", value(model.NumberValue)))
	shared := model.Payload{Value: object(member("from", ref("Point")), member("to", ref("Point"))), Definitions: []model.Definition{{Name: "Point", Value: point}}}
	apart := model.Payload{Value: object(member("from", point), member("to", ref("Target"))), Definitions: []model.Definition{{Name: "Target", Value: point}}}
	assert.Equal(t, Of(&shared).Lines(), Of(&apart).Lines())

	// Two types that contain each other have the form of one that contains itself.
	one := model.Payload{Value: object(member("next", pointer(ref("A")))), Definitions: []model.Definition{{Name: "A", Value: object(member("next", pointer(ref("A"))))}}}
	two := model.Payload{Value: object(member("next", pointer(ref("A")))), Definitions: []model.Definition{
		{Name: "A", Value: object(member("next", pointer(ref("B"))))}, {Name: "B", Value: object(member("next", pointer(ref("A"))))},
	}}
	assert.Equal(t, Of(&one).Lines(), Of(&two).Lines())
	assert.Equal(t, "/ object\n/next *same(\"\")\n", text(Of(&two).Lines()))
}

func TestATextIsReadAsItWasWritten(t *testing.T) {
	for seed := range 5_000 {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		form := share(makeUpStruct(r, 0).place())
		lines := form.Lines()
		for i, l := range lines {
			again, err := ParseLine(l.String())
			require.NoError(t, err)
			require.Equal(t, lines[i], again)
		}
		parsed, err := Parse(lines)
		require.NoError(t, err, "%s", text(lines))
		require.Equal(t, lines, share(parsed).Lines())
		require.Empty(t, Read(form, parsed))
		require.Empty(t, Read(parsed, form))
	}
}

func TestATextThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "/a text", "/ object\n/a", "/ object\n/a txt", "/ object\n/a [text", "/ object\n/a [x]text", "/ object\n/a [-1]text", "/ object\n/a map[text", "/ object\n/a map[]text",
		"/ object\n/a same(\"/b\")", "/ object\n/a same(/)", "/ object\n/a text(\"x\"", "/ object\n/a text text", "/ object\n/b text\n/a text", "/ object\n/a text\n/a text",
		"/ object\n/a/b text", "/ text\n/a text", "/ object\n\"/a text", "/ object\na text", "/ object\n/a int64 required quoted", "/ object\n/a~3 text", "/ object\n/a~ text", "/ object\n/* text",
	} {
		var lines []Line
		var err error
		for l := range strings.SplitSeq(text, "\n") {
			line, wrong := ParseLine(l)
			if err == nil {
				err = wrong
			}
			lines = append(lines, line)
		}
		if err == nil {
			_, err = Parse(lines)
		}
		assert.Error(t, err, "%s", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/ object\n/a map[uint16][2]*object\n/a/*/*/b []*same(\"/a/*/*\")\n\"/n m\" int32 quoted required\n/c any(\"x.Y\")")
	f.Fuzz(func(t *testing.T, text string) {
		var lines []Line
		for l := range strings.SplitSeq(text, "\n") {
			line, err := ParseLine(l)
			if err != nil {
				return
			}
			lines = append(lines, line)
		}
		form, err := Parse(lines)
		if err != nil {
			return
		}
		again, err := Parse(form.Lines())
		require.NoError(t, err)
		require.Equal(t, form.Lines(), again.Lines())
	})
}
