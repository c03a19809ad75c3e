package driver

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const vectorDir = "../../testdata/envelope/"

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
	SchemaRefuses  *bool       `json:"schema_refuses"` // see package envelopetest
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
		Timeout: time.Duration(v.Timeout) * time.Millisecond, SchemaVersion: v.SchemaVersion, Shape: v.Shape,
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

func TestValidVectors(t *testing.T) {
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
			}
			require.NoError(t, want.Validate())
			assert.Equal(t, v.Canonical, string(AppendEnvelope(nil, want)))
		})
	}
}

func TestInvalidVectors(t *testing.T) {
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
		})
	}
}
