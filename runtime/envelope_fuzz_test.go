package runtime

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// envelopeSeeds are envelopes, good and bad, that the fuzzer starts from.
var envelopeSeeds = []string{
	`{"v":1,"id":"a","type":"b","queue":"c","payload":{"d":[1,-2.5e+3,true,null,"\u00e9\ud83d\ude00"]}}`,
	`{"v":1,"id":"a","type":"b","queue":"c","payload":"aGVsbG8=","encoding":"zstd","metadata":{"k":"v","\u006b2":"\/"}}`,
	` { "queue" : "c" , "v" : 1 , "other" : [ { } ] , "payload" : null , "type" : "b" , "id" : "\ud83d\ude00" } `,
	`{"v":1,"id":"a","type":"b","queue":"c","payload":1,"created_at":"2026-03-01T10:00:00.000000001+02:00","scheduled_for":"2026-03-01T10:00:00Z"}`,
	`{"v":1,"id":"a","type":"b","queue":"c","payload":1,"priority":1,"group_key":"g","unique_key":"u","unique_for_ms":2,"max_retries":3,"retry_count":4,"timeout_ms":5,"schema_version":6}`,
	`{"v":2}`, `{"v":1,"v":1}`, `{"v":1.0}`, `{"id":"\ud800"}`, `{}`, `[`, ``, `null`, `{"a":1,}`, `{"payload":{"a":01}}`,
	`{"v":1,"id":"a","type":"b","queue":"c","payload":"a","encoding":"x"}`, `{"metadata":{"a":"b","a":"c"}}`, `{"timeout_ms":9223372036855}`,
}

// FuzzDecodeEnvelope holds DecodeEnvelope against encoding/json: they take the
// same envelopes and read the same tasks out of them.
func FuzzDecodeEnvelope(f *testing.F) {
	for _, seed := range envelopeSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, refErr := refDecode(data)
		got, err := DecodeEnvelope(data)
		if refErr != nil {
			require.ErrorIs(t, err, ErrInvalidTask, "encoding/json says: %v", refErr)
			require.Nil(t, got)
			return
		}
		require.NoError(t, err)
		requireSameTask(t, want, got)
		require.NoError(t, got.Validate())
		again, err := DecodeEnvelope(AppendEnvelope(nil, got))
		require.NoError(t, err)
		requireSameTask(t, got, again)
	})
}

// FuzzCheckJSON holds the check of payloads against encoding/json.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range envelopeSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if json.Valid(data) && utf8.Valid(data) {
			require.NoError(t, checkJSON(data))
		} else {
			require.Error(t, checkJSON(data))
		}
	})
}

// FuzzAppendString holds the strings of an envelope against encoding/json.
func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\b\f\n\r\t\x1f\"\\/<>&\x7f\u2027\u2028\u2029\u202aé世😀")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		task := &Task{ID: s, Payload: []byte("0"), Metadata: map[string]string{s: s}}
		require.Equal(t, string(refEncode(t, task)), string(AppendEnvelope(nil, task)))
	})
}
