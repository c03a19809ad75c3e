package envelopetest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

const dir = "../../testdata/envelope/"

// A vector is what the schema has to say of one file of testdata/envelope/vectors; its
// README tells what the keys mean.
type vector struct {
	Envelope       string `json:"envelope"`
	EnvelopeBase64 []byte `json:"envelope_base64"`
	Canonical      string `json:"canonical"`
	SchemaRefuses  *bool  `json:"schema_refuses"` // of an invalid one that is JSON
}

func vectors(t *testing.T, pattern string) map[string]vector {
	t.Helper()
	files, err := filepath.Glob(dir + pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := make(map[string]vector)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var v vector
		require.NoError(t, json.Unmarshal(data, &v), file)
		if v.EnvelopeBase64 != nil {
			v.Envelope = string(v.EnvelopeBase64)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = v
	}
	return all
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(dir + "task.schema.json")
	require.NoError(t, err)
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, envelope string) error {
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(envelope))
	require.NoError(t, err)
	return schema.Validate(instance)
}

func TestTheSchemaAcceptsValidEnvelopes(t *testing.T) {
	schema := compile(t)
	for name, v := range vectors(t, "vectors/*.json") {
		assert.NoError(t, validate(t, schema, v.Envelope), name)
		if v.Canonical != "" {
			assert.NoError(t, validate(t, schema, v.Canonical), name)
		}
	}
}

func TestTheSchemaRefusesInvalidEnvelopesAsTheVectorsSay(t *testing.T) {
	schema := compile(t)
	asked := 0
	for name, v := range vectors(t, "vectors/invalid/*.json") {
		if v.SchemaRefuses == nil {
			continue // it is no JSON
		}
		asked++
		err := validate(t, schema, v.Envelope)
		assert.Equal(t, *v.SchemaRefuses, err != nil, "%s: the schema says: %v", name, err)
	}
	assert.NotZero(t, asked)
}

// full is an envelope with every key.
func full() []byte {
	now := time.Date(2026, 3, 1, 10, 0, 0, 1, time.UTC)
	return driver.AppendEnvelope(nil, &runtime.Task{
		ID: "a", Type: "t", Queue: "q", Payload: []byte("any"), Encoding: "zstd", Priority: 1, GroupKey: "g",
		UniqueKey: "u", UniqueFor: time.Second, Metadata: map[string]string{"k": "v"}, CreatedAt: now, ScheduledFor: now.Add(1),
		MaxRetries: 1, RetryCount: 1, Timeout: time.Second, SchemaVersion: 1, Shape: "0123456789ab",
	})
}

// keys are those of an object of JSON, in their order.
func keys(t *testing.T, object []byte) (all []string) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(object))
	_, err := dec.Token()
	require.NoError(t, err)
	for dec.More() {
		key, err := dec.Token()
		require.NoError(t, err)
		all = append(all, key.(string))
		var value json.RawMessage
		require.NoError(t, dec.Decode(&value))
	}
	return all
}

func TestEveryWrittenEnvelopeFitsTheSchema(t *testing.T) {
	schema := compile(t)
	require.NoError(t, validate(t, schema, string(full())))
	written := keys(t, full())
	assert.Len(t, written, len(schema.Properties), "the envelope and the schema have the same keys")
	for _, key := range written {
		assert.Contains(t, schema.Properties, key)
	}
}

// The table of docs/envelope.md says what the schema says.
func TestDocumentationAgreesWithTheSchema(t *testing.T) {
	doc, err := os.ReadFile("../../docs/envelope.md")
	require.NoError(t, err)
	schema := compile(t)
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]+) \\| (yes|no) \\| ([^|]+) \\|$").FindAllStringSubmatch(string(doc), -1)
	require.Len(t, rows, len(schema.Properties))
	order := keys(t, full())
	for i, row := range rows {
		key, value, needed, meaning := row[1], row[2], row[3], row[4]
		assert.Equal(t, order[i], key, "the order of the keys")
		property := schema.Properties[key]
		require.NotNil(t, property, key)
		assert.Equal(t, property.Description, meaning, key)
		assert.Equal(t, needed == "yes", slices.Contains(schema.Required, key), key)
		assert.Equal(t, schemaWord(property), value, key)
	}
	example := regexp.MustCompile("(?s)```json\n(.*?)\n```").FindSubmatch(doc)
	require.NotNil(t, example)
	task, err := driver.DecodeEnvelope(example[1])
	require.NoError(t, err)
	assert.Equal(t, string(example[1]), string(driver.AppendEnvelope(nil, task)), "the example is canonical")
}

// schemaWord is the word by which the documentation calls a property's type.
func schemaWord(s *jsonschema.Schema) string {
	switch {
	case s.Ref != nil:
		return s.Ref.Location[strings.LastIndexByte(s.Ref.Location, '/')+1:]
	case s.Const != nil:
		return "1"
	case s.AdditionalProperties != nil:
		return "texts by key"
	case s.Types == nil:
		return "any"
	case s.Types.String() == "[string]":
		return "text"
	}
	return s.Types.String()
}
