package runtime

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const vectorDir = "../testdata/envelope/"

// A vector is one file of testdata/envelope/vectors; its README tells what the
// keys mean.
type vector struct {
	About          string      `json:"about"`
	Envelope       string      `json:"envelope"`
	EnvelopeBase64 []byte      `json:"envelope_base64"`
	Canonical      string      `json:"canonical"`
	Task           *vectorTask `json:"task"`
	Says           string      `json:"says"`
	JSON           *bool       `json:"json"`
	SchemaRefuses  *bool       `json:"schema_refuses"`
}

type vectorTask struct {
	refEnvelope
	Payload       *string `json:"payload"`
	PayloadBase64 []byte  `json:"payload_base64"`
}

func (v vectorTask) task() *Task {
	t := &Task{
		ID: v.ID, Type: v.Type, Queue: v.Queue, Payload: v.PayloadBase64, Encoding: v.Encoding, Priority: v.Priority,
		GroupKey: v.GroupKey, UniqueKey: v.UniqueKey, UniqueFor: time.Duration(v.UniqueFor) * time.Millisecond, Metadata: v.Metadata,
		CreatedAt: v.CreatedAt, ScheduledFor: v.ScheduledFor, MaxRetries: v.MaxRetries, RetryCount: v.RetryCount,
		Timeout: time.Duration(v.Timeout) * time.Millisecond, SchemaVersion: v.SchemaVersion,
	}
	if v.Payload != nil {
		t.Payload = []byte(*v.Payload)
	}
	return t
}

func readVectors(t *testing.T, pattern string) map[string]vector {
	t.Helper()
	files, err := filepath.Glob(vectorDir + pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	vectors := make(map[string]vector)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var v vector
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.DisallowUnknownFields()
		require.NoError(t, dec.Decode(&v), file)
		require.NotEmpty(t, v.About, file)
		vectors[strings.TrimSuffix(filepath.Base(file), ".json")] = v
	}
	return vectors
}

func envelopeSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(vectorDir + "task.schema.json")
	require.NoError(t, err)
	return schema
}

func validateBySchema(t *testing.T, schema *jsonschema.Schema, envelope string) error {
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(envelope))
	require.NoError(t, err)
	return schema.Validate(instance)
}

func TestValidVectors(t *testing.T) {
	schema := envelopeSchema(t)
	for name, v := range readVectors(t, "vectors/*.json") {
		t.Run(name, func(t *testing.T) {
			if v.Canonical == "" {
				v.Canonical = v.Envelope
			}
			want := v.Task.task()
			for _, envelope := range []string{v.Envelope, v.Canonical} {
				got, err := DecodeEnvelope([]byte(envelope))
				require.NoError(t, err)
				requireSameTask(t, want, got)
				assert.NoError(t, validateBySchema(t, schema, envelope))
			}
			require.NoError(t, want.Validate())
			assert.Equal(t, v.Canonical, string(AppendEnvelope(nil, want)))
		})
	}
}

func TestInvalidVectors(t *testing.T) {
	schema := envelopeSchema(t)
	for name, v := range readVectors(t, "vectors/invalid/*.json") {
		t.Run(name, func(t *testing.T) {
			if v.EnvelopeBase64 != nil {
				v.Envelope = string(v.EnvelopeBase64)
			}
			require.NotEmpty(t, v.Says)
			got, err := DecodeEnvelope([]byte(v.Envelope))
			require.ErrorIs(t, err, ErrInvalidTask)
			require.ErrorContains(t, err, v.Says)
			require.Nil(t, got)
			if v.JSON != nil {
				require.False(t, *v.JSON)
				require.Nil(t, v.SchemaRefuses)
				assert.False(t, json.Valid([]byte(v.Envelope)) && utf8.ValidString(v.Envelope))
				return
			}
			require.NotNil(t, v.SchemaRefuses)
			err = validateBySchema(t, schema, v.Envelope)
			assert.Equal(t, *v.SchemaRefuses, err != nil, "the schema says: %v", err)
		})
	}
}

func TestEveryWrittenEnvelopeFitsTheSchema(t *testing.T) {
	schema := envelopeSchema(t)
	task := benchTask(100)
	task.Priority, task.GroupKey, task.UniqueKey, task.UniqueFor = 1, "g", "u", 1
	task.ScheduledFor, task.RetryCount, task.SchemaVersion = task.CreatedAt.Add(1), 1, 1
	task.Payload, task.Encoding = []byte("any"), "zstd"
	data := AppendEnvelope(nil, task)
	require.NoError(t, validateBySchema(t, schema, string(data)))
	var members map[string]any
	require.NoError(t, json.Unmarshal(data, &members))
	assert.Len(t, members, len(schema.Properties), "the envelope and the schema have the same keys")
	for key := range members {
		assert.Contains(t, schema.Properties, key)
	}
}

// The table of docs/envelope.md says what the schema says.
func TestDocumentationAgreesWithTheSchema(t *testing.T) {
	doc, err := os.ReadFile("../docs/envelope.md")
	require.NoError(t, err)
	schema := envelopeSchema(t)
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]+) \\| (yes|no) \\| ([^|]+) \\|$").FindAllStringSubmatch(string(doc), -1)
	require.Len(t, rows, len(schema.Properties))
	for i, row := range rows {
		key, value, needed, meaning := row[1], row[2], row[3], row[4]
		assert.Equal(t, envelopeKeys[i], key, "the order of the keys")
		property := schema.Properties[key]
		require.NotNil(t, property, key)
		assert.Equal(t, property.Description, meaning, key)
		assert.Equal(t, needed == "yes", slices.Contains(schema.Required, key), key)
		assert.Equal(t, schemaWord(property), value, key)
	}
	example := regexp.MustCompile("(?s)```json\n(.*?)\n```").FindSubmatch(doc)
	require.NotNil(t, example)
	task, err := DecodeEnvelope(example[1])
	require.NoError(t, err)
	assert.Equal(t, string(example[1]), string(AppendEnvelope(nil, task)), "the example is canonical")
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
