package schema_test

import (
	"encoding/json"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	invopop "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/emit/schema"
	"github.com/taskgen/taskgen/generator/internal/emit/schema/testdata/payloads"
	"github.com/taskgen/taskgen/generator/internal/load"
)

// schemas are the schemas of the payloads, by the struct's name.
func schemas(t *testing.T) map[string]string {
	t.Helper()
	listing, err := load.Find(t.Context(), load.Query{Patterns: []string{"./testdata/payloads"}})
	require.NoError(t, err)
	loaded, err := check.Run(t.Context(), listing)
	require.NoError(t, err)
	require.False(t, diag.HasErrors(loaded.Diagnostics), "%v", loaded.Diagnostics)
	require.Len(t, loaded.Packages, 1)
	all := make(map[string]string)
	for i := range loaded.Packages[0].Tasks {
		task := &loaded.Packages[0].Tasks[i]
		all[task.Struct] = schema.Of(task).Text()
	}
	return all
}

func compile(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	require.NoError(t, err, text)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	require.NoError(t, c.AddResource("s.json", doc))
	s, err := c.Compile("s.json")
	require.NoError(t, err, text)
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, payload string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(payload))
	require.NoError(t, err, payload)
	return s.Validate(v)
}

func full() payloads.EverythingTask {
	yes, owner := true, "me"
	login := payloads.Login{User: "u", Password: "p"}
	node := payloads.Node{Name: "n", Next: &payloads.Node{}, Children: []payloads.Node{{Name: "c"}}, ByName: map[string]*payloads.Node{"x": nil, "y": {}}}
	return payloads.EverythingTask{
		Base: payloads.Base{Tenant: "acme"}, Text: "t", Bytes: []byte{0, 255, 17}, At: time.Date(2026, 3, 1, 1, 2, 3, 4, time.FixedZone("", 3600)),
		For: time.Hour, Raw: json.RawMessage(`[1,{"a":null}]`), Small: math.MinInt8, Count: math.MaxUint16, Big: math.MinInt64,
		Huge: new(big.Int).Lsh(big.NewInt(1), 200), Exact: "1.50", Share: 0.1, Yes: true, Quoted: -3, QuotedPtr: &yes, Owner: &owner,
		Level: 2, Levels: map[payloads.Level]int{1: 1}, Addr: netip.MustParseAddr("::1"), Handle: payloads.Handle{No: 1}, Handles: map[string]*payloads.Handle{"a": {No: 2}}, Tags: []string{""}, Pair: [2]int{1, 2}, Pixels: [3]byte{1, 2, 3},
		ByID: map[uint32]string{7: "x"}, Any: map[string]any{"x": []int{1}}, Login: login, Logins: map[string]payloads.Login{"a": login},
		Node: &node, Tree: payloads.Tree{{}, nil, {{}}}, Page: payloads.Page[payloads.Login]{Items: []payloads.Login{login}},
		APIKey: "k", Unnamed: map[string]json.RawMessage{"x": json.RawMessage("null")},
	}
}

func TestWhatEncodingJSONWritesFitsTheSchema(t *testing.T) {
	all := schemas(t)
	n, addressed := 1, full() // what has an address may write itself in another way
	for name, values := range map[string][]any{
		"EverythingTask": {full(), &addressed},
		"StrictTask":     {payloads.StrictTask{Text: "t", Bytes: []byte{1}, Count: 1, List: []string{""}, Map: map[string]string{"": ""}, Ptr: &n}},
		"SelfTask":       {payloads.SelfTask{Then: &payloads.SelfTask{}}},
	} {
		for _, payload := range values {
			data, err := json.Marshal(payload)
			require.NoError(t, err)
			assert.NoError(t, validate(t, compile(t, all[name]), string(data)), "%s", data)
		}
	}
	data, err := json.Marshal(payloads.EverythingTask{Text: "the others have their zero values"})
	require.NoError(t, err)
	assert.NoError(t, validate(t, compile(t, all["EverythingTask"]), string(data)), "%s", data)
	assert.NoError(t, validate(t, compile(t, all["EverythingTask"]), `{"text":"the others are left out"}`))
}

func TestWhatEncodingJSONCannotReadDoesNotFitTheSchema(t *testing.T) {
	s := compile(t, schemas(t)["EverythingTask"])
	for _, part := range []string{
		`"text":1`, `"bytes":"§"`, `"at":"yesterday"`, `"at":1`, `"for":"1h"`, `"small":128`, `"small":1.5`, `"count":-1`, `"count":65536`,
		`"big":9223372036854775808`, `"exact":[]`, `"share":"1"`, `"yes":1`, `"quoted":3`, `"quoted":"x"`, `"quoted_ptr":"maybe"`, `"owner":1`,
		`"level":1`, `"levels":{"a":"x"}`, `"addr":1`, `"tags":"x"`, `"tags":[1]`, `"pair":"x"`, `"pixels":"AAAA"`, `"by_id":{"x":"y"}`,
		`"login":[]`, `"login":{"user":1}`, `"logins":{"a":1}`, `"node":{"next":{"name":1}}`, `"node":{"by_name":{"x":[]}}`, `"tree":[[1]]`,
		`"page":{"items":[1]}`, `"inline":{"X":"1"}`, `"tenant":1`, `"Unnamed":1`,
	} {
		payload := `{"text":"t",` + part + `}`
		require.Error(t, validate(t, s, payload), payload)
		var v payloads.EverythingTask
		if part != `"pixels":"AAAA"` { // there the schema is the stricter: encoding/json reads base64 into an array, and never writes it
			require.Error(t, json.Unmarshal([]byte(payload), &v), "encoding/json reads %s", payload)
		}
	}
}

func TestSchemaIsStricterThanEncodingJSONWherePeopleMistype(t *testing.T) {
	s := compile(t, schemas(t)["EverythingTask"])
	for _, payload := range []string{
		`{}`, `{"text":""}`, `{"text":null}`, `{"text":"t","tetx":"u"}`, `{"text":"t","login":{"usr":"u"}}`, `{"text":"t","pair":[1]}`, `{"text":"t","bytes":[1]}`, `{"text":"t","yes":null}`, `null`, `[]`,
	} {
		assert.Error(t, validate(t, s, payload), payload)
	}
	strict := compile(t, schemas(t)["StrictTask"])
	good := map[string]string{"text": `"t"`, "bytes": `"AA=="`, "count": `1`, "list": `[""]`, "map": `{"":""}`, "ptr": `0`, "login": `{"user":"u"}`}
	zero := map[string]string{"text": `""`, "bytes": `""`, "count": `0`, "list": `[]`, "map": `{}`, "ptr": `null`, "login": `null`}
	with := func(name, value string) string {
		parts := make([]string, 0, len(good))
		for k, v := range good {
			if k == name {
				v = value
			}
			if v != "" {
				parts = append(parts, `"`+k+`":`+v)
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	require.NoError(t, validate(t, strict, with("", "")))
	for name := range good {
		assert.Error(t, validate(t, strict, with(name, "")), "without %s", name)
		assert.Error(t, validate(t, strict, with(name, zero[name])), "with the zero value of %s", name)
	}
}

func TestSchemaTellsOfCommentsAndSecrets(t *testing.T) {
	all := schemas(t)
	var s struct {
		Schema, Title, Description string
		Properties                 map[string]map[string]any
		Defs                       map[string]struct {
			Description string
			Properties  map[string]map[string]any
		} `json:"$defs"`
	}
	text := all["EverythingTask"]
	require.NoError(t, json.Unmarshal([]byte(strings.Replace(text, `"$schema"`, `"schema"`, 1)), &s))
	assert.Equal(t, "https://json-schema.org/draft/2020-12/schema", s.Schema)
	assert.Equal(t, "EverythingTask", s.Title)
	assert.Equal(t, "EverythingTask has a field of each kind.", s.Description)
	assert.Equal(t, "what to embed", s.Properties["text"]["description"])
	assert.Equal(t, "Tenant whose task it is, with `quotes` & <brackets>.", s.Properties["tenant"]["description"])
	assert.Equal(t, true, s.Properties["api_key"]["writeOnly"])
	assert.Equal(t, "Login is a pair of texts.", s.Defs["Login"].Description)
	assert.Equal(t, true, s.Defs["Login"].Properties["password"]["writeOnly"])
	assert.NotContains(t, text, "`", "it stands in a raw string")
	assert.NotContains(t, s.Properties, "Hidden")
	assert.Contains(t, all["SelfTask"], `"$ref":"#"`)
	assert.Equal(t, all, schemas(t), "the same structs give the same bytes")
}

// TestSchemaAgreesWithInvopop compares what it says about single fields with
// another implementation, which knows no null, no bounds and no json.Number, and
// takes types with methods by their kind.
func TestSchemaAgreesWithInvopop(t *testing.T) {
	ours, theirs := make(map[string]any), make(map[string]any)
	require.NoError(t, json.Unmarshal([]byte(schemas(t)["EverythingTask"]), &ours))
	r := invopop.Reflector{DoNotReference: false, ExpandedStruct: true}
	data, err := json.Marshal(r.Reflect(&payloads.EverythingTask{}))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &theirs))
	mine, other := ours["properties"].(map[string]any), theirs["properties"].(map[string]any)
	compared := 0
	for name, property := range other {
		require.Contains(t, mine, name)
		its, _ := property.(map[string]any) // true: anything
		my := mine[name].(map[string]any)
		kind, ok := its["type"]
		switch name {
		case "huge", "exact", "quoted", "quoted_ptr", "levels", "raw", "pixels", "level": // see above
			continue
		}
		if !ok {
			continue
		}
		if kinds, ok := my["type"].([]any); ok { // null
			my["type"] = kinds[0]
		}
		assert.Equal(t, kind, my["type"], name)
		for _, key := range []string{"format", "contentEncoding"} {
			if name != "addr" {
				assert.Equal(t, its[key], my[key], "%s of %s", key, name)
			}
		}
		compared++
	}
	assert.Len(t, mine, len(other))
	assert.GreaterOrEqual(t, compared, 12)
}
