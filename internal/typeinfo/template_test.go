package typeinfo

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// whole is a description with all that one can have.
func whole() Type {
	payload := structOf(
		Field{Name: "user", Tagged: true, Options: "omitempty", Shape: basic("string")},
		Field{Shape: of(Pointer, structOf(Field{Name: "When", Shape: Shape{Kind: Code, Type: "time.Time"}}))},
		Field{Name: "seats", Tagged: true, Shape: Shape{Kind: Map, Key: "int8", Elem: &Shape{Kind: Array, Len: 2, Elem: &Shape{Kind: Any}}}},
	)
	return Type{
		Name: "mail", Aliases: []string{"post"}, Queue: "mails", Schema: `{"type":"object"}`, Shape: "0123456789ab", Secrets: []string{"/user"}, Timeout: time.Minute, MaxRetries: 3, Result: true,
		Retry: Retry{Backoff: "linear", Base: time.Second, Cap: time.Hour, Factor: 1.5, Jitter: 0.2}, Retention: time.Hour,
		Template: &Template{
			Version: Version, Priority: 1, SchemaVersion: 2, UniqueBy: []string{"user"}, UniqueFor: time.Hour, GroupBy: "user", Required: []string{"user"}, Sealed: true,
			Payload: &payload,
		},
	}
}

func TestADescriptionArrivesAsItWasWritten(t *testing.T) {
	want := whole()
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		assert.False(t, v.Field(i).IsZero(), "the test has no %s", v.Type().Field(i).Name)
	}
	data, err := want.Encode()
	require.NoError(t, err)
	var got Type
	require.NoError(t, got.Decode(data))
	assert.Equal(t, want, got)
	require.ErrorContains(t, got.Decode([]byte(`{"name":7}`)), "the description of a type")
	require.NoError(t, got.Decode([]byte(`{"name":"mail","later":{"a":1}}`)), "what a later version adds is passed over")
}

func TestADescriptionIsGuardedByAnother(t *testing.T) {
	a, b := whole(), whole()
	a.Secrets, a.Template.Sealed = []string{"/a", "/b"}, false
	b.Secrets, b.Queue = []string{"/b", "/c"}, "others"
	got := Guarded(a, &b)
	assert.Equal(t, []string{"/a", "/b", "/c"}, got.Secrets)
	assert.True(t, got.Template.Sealed)
	assert.Equal(t, "mails", got.Queue, "nothing else is the other's")
	assert.Equal(t, []string{"/a", "/b"}, a.Secrets)
	assert.False(t, a.Template.Sealed, "it is left as it was")
	b.Template.Sealed = false
	assert.False(t, Guarded(a, &b).Template.Sealed)
	a.Template = nil
	b.Template.Sealed = true
	assert.Nil(t, Guarded(a, &b).Template, "no task can be made of it all the same")
	b.Template = nil
	assert.Nil(t, Guarded(a, &b).Template)
}

func TestACatalogIsTheSameInAnyOrder(t *testing.T) {
	a, b, c := whole(), Type{Name: "alert"}, Type{Name: "welcome", Template: &Template{Version: Version, Refused: "<why>"}}
	want, err := Encode([]Type{a, b, c})
	require.NoError(t, err)
	types := []Type{c, a, b}
	got, err := Encode(types)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
	assert.Equal(t, "welcome", types[0].Name, "what was given keeps its order")
	assert.Equal(t, `{"type":"object"}`, types[1].Schema)
	assert.Contains(t, string(got), "\n  "+FileHeader+"\n", "the line by which taskgen knows its files")
	assert.Contains(t, string(got), `"<why>"`)
	var f File
	require.NoError(t, json.Unmarshal(got, &f))
	assert.Equal(t, Version, f.Version)
	require.Len(t, f.Types, 3)
	assert.True(t, slices.IsSortedFunc(f.Types, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }))
	assert.JSONEq(t, a.Schema, string(f.Types[1].Schema))
	none, err := Encode(nil)
	require.NoError(t, err)
	assert.Contains(t, string(none), `"types": []`)
	_, err = Encode([]Type{{Name: "mail", Schema: "{"}})
	require.Error(t, err, "a schema that is no JSON")
}

// FuzzDecode reads descriptions that anybody may have written into a store.
func FuzzDecode(f *testing.F) {
	seed := whole()
	data, err := seed.Encode()
	require.NoError(f, err)
	for _, text := range []string{
		string(data), `{}`, `null`, `{"name":"a","template":{"payload":{"kind":"pointer"}}}`,
		`{"template":{"unique_by":["a"],"group_by":"b","payload":{"kind":"struct","fields":[{"shape":{"kind":"pointer"}},{"name":"a","shape":{"kind":"slice"}}]}}}`,
		`{"retry":{"factor":1e999}}`, `{"template":{"payload":{"kind":"large"}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second Type
		if first.Decode(data) != nil {
			return
		}
		if p := first.Template; p != nil && p.Payload != nil {
			Refuses(p.Payload, p.UniqueBy, p.GroupBy)
			p.Payload.Owned()
			for _, name := range p.Required {
				p.Payload.Member(name)
			}
		}
		written, err := first.Encode()
		require.NoError(t, err)
		require.NoError(t, second.Decode(written))
		again, err := second.Encode()
		require.NoError(t, err)
		require.Equal(t, string(written), string(again))
	})
}
