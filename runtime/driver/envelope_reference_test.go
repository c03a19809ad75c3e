package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A refEnvelope is the envelope as encoding/json has it: the codec is compared
// with it in both directions.
type refEnvelope struct {
	Version       *int              `json:"v"`
	ID            string            `json:"id"`
	Type          string            `json:"type"`
	Queue         string            `json:"queue"`
	Payload       json.RawMessage   `json:"payload"`
	Encoding      string            `json:"encoding,omitempty"`
	Priority      int               `json:"priority,omitempty"`
	GroupKey      string            `json:"group_key,omitempty"`
	UniqueKey     string            `json:"unique_key,omitempty"`
	UniqueFor     int64             `json:"unique_for_ms,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	CreatedAt     time.Time         `json:"created_at,omitzero"`
	ScheduledFor  time.Time         `json:"scheduled_for,omitzero"`
	MaxRetries    int               `json:"max_retries,omitempty"`
	RetryCount    int               `json:"retry_count,omitempty"`
	Timeout       int64             `json:"timeout_ms,omitempty"`
	SchemaVersion int               `json:"schema_version,omitempty"`
	Shape         string            `json:"shape,omitempty"`
}

func refEncode(t *testing.T, task *Task) []byte {
	t.Helper()
	v := EnvelopeVersion
	ref := refEnvelope{
		Version: &v, ID: task.ID, Type: task.Type, Queue: task.Queue, Encoding: task.Encoding, Priority: task.Priority,
		GroupKey: task.GroupKey, UniqueKey: task.UniqueKey, UniqueFor: refMillis(task.UniqueFor), Metadata: task.Metadata,
		CreatedAt: task.CreatedAt.UTC(), ScheduledFor: task.ScheduledFor.UTC(), MaxRetries: task.MaxRetries,
		RetryCount: task.RetryCount, Timeout: refMillis(task.Timeout), SchemaVersion: task.SchemaVersion, Shape: task.Shape,
	}
	ref.Payload = task.Payload
	if task.Encoding != "" {
		quoted, err := json.Marshal(task.Payload)
		require.NoError(t, err)
		ref.Payload = quoted
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(ref))
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func refMillis(d time.Duration) int64 {
	return min(int64(math.Ceil(float64(d)/float64(time.Millisecond))), maxMilliseconds)
}

// errRefused: the envelope is JSON that encoding/json takes and the rules of
// the envelope do not.
var errRefused = errors.New("refused by the rules of the envelope")

// refDecode reads an envelope by way of encoding/json, and applies the rules
// that are stricter than it.
func refDecode(data []byte) (*Task, error) {
	if !utf8.Valid(data) || bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, errRefused
	}
	members, err := refMembers(data, true)
	if err != nil {
		return nil, err
	}
	if members["v"] == nil || members["payload"] == nil {
		return nil, errRefused
	}
	known := map[string]json.RawMessage{}
	for _, key := range envelopeKeys {
		raw, ok := members[key]
		if !ok {
			continue
		}
		if key != "payload" && string(raw) == "null" || raw[0] == '"' && key != "payload" && loneSurrogate(raw) {
			return nil, errRefused
		}
		if key == "created_at" || key == "scheduled_for" {
			raw = withoutEscapes(raw)
		}
		known[key] = raw
	}
	if raw := known["metadata"]; raw != nil {
		meta, err := refMembers(raw, false)
		if err != nil {
			return nil, err
		}
		for _, v := range meta {
			if string(v) == "null" || loneSurrogate(v) {
				return nil, errRefused
			}
		}
	}
	again, err := json.Marshal(known)
	if err != nil {
		return nil, err
	}
	var ref refEnvelope
	if err := json.Unmarshal(again, &ref); err != nil {
		return nil, err
	}
	if *ref.Version != EnvelopeVersion || ref.UniqueFor < 0 || ref.UniqueFor > maxMilliseconds || ref.Timeout < 0 || ref.Timeout > maxMilliseconds {
		return nil, errRefused
	}
	task := &Task{
		ID: ref.ID, Type: ref.Type, Queue: ref.Queue, Payload: known["payload"], Encoding: ref.Encoding, Priority: ref.Priority,
		GroupKey: ref.GroupKey, UniqueKey: ref.UniqueKey, UniqueFor: time.Duration(ref.UniqueFor) * time.Millisecond,
		Metadata: ref.Metadata, CreatedAt: ref.CreatedAt.UTC(), ScheduledFor: ref.ScheduledFor.UTC(), MaxRetries: ref.MaxRetries,
		RetryCount: ref.RetryCount, Timeout: time.Duration(ref.Timeout) * time.Millisecond, SchemaVersion: ref.SchemaVersion, Shape: ref.Shape,
	}
	if len(task.Metadata) == 0 {
		task.Metadata = nil
	}
	if task.Encoding != "" {
		var payload []byte
		if known["payload"][0] != '"' || loneSurrogate(known["payload"]) {
			return nil, errRefused
		}
		if err := json.Unmarshal(known["payload"], &payload); err != nil {
			return nil, err
		}
		task.Payload = payload
	}
	return task, task.Validate()
}

// withoutEscapes writes a JSON string anew: encoding/json does not resolve escapes
// in times.
func withoutEscapes(raw json.RawMessage) json.RawMessage {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return raw
	}
	plain, _ := json.Marshal(text) // a string can always be written
	return plain
}

// refMembers splits an object into its members, and refuses a key that occurs
// twice: of those that the envelope knows when onlyKnown is set, else of any.
func refMembers(data []byte, onlyKnown bool) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	open, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if open != json.Delim('{') {
		return nil, errRefused
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		before := dec.InputOffset()
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		if loneSurrogate(data[before:dec.InputOffset()]) {
			return nil, errRefused
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		name := key.(string)
		if _, twice := members[name]; twice && (!onlyKnown || slices.Contains(envelopeKeys, name)) {
			return nil, errRefused
		}
		members[name] = raw
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if rest := bytes.TrimLeft(data[dec.InputOffset():], " \n\r\t"); len(rest) > 0 {
		return nil, errRefused
	}
	return members, nil
}

var envelopeKeys = strings.Fields(`v id type queue payload encoding priority group_key unique_key unique_for_ms metadata
	created_at scheduled_for max_retries retry_count timeout_ms schema_version shape`)

// loneSurrogate reports whether a JSON string holds an escape that is half of a
// surrogate pair, which encoding/json replaces and the envelope refuses.
func loneSurrogate(raw []byte) bool {
	var high rune
	for i := 0; i < len(raw); i++ {
		var r rune
		if raw[i] == '\\' && i+1 < len(raw) {
			if raw[i+1] == 'u' && i+6 <= len(raw) {
				_, _ = fmt.Sscanf(string(raw[i+2:i+6]), "%04x", &r)
				i += 4
			}
			i++
		}
		switch {
		case high != 0 && utf16.DecodeRune(high, r) == utf8.RuneError:
			return true
		case high != 0:
			high = 0
		case utf16.IsSurrogate(r):
			if r >= 0xdc00 {
				return true
			}
			high = r
		}
	}
	return high != 0
}
