package driver

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// envelopeSeeds are envelopes, good and bad, that the fuzzer starts from.
var envelopeSeeds = []string{
	`{"v":1,"id":"a","type":"b","queue":"c","payload":{"d":[1,-2.5e+3,true,null,"\u00e9\ud83d\ude00"]}}`,
	`{"v":1,"id":"a","type":"b","queue":"c","payload":"aGVsbG8=","encoding":"zstd","metadata":{"k":"v","\u006b2":"\/"}}`,
	` { "queue" : "c" , "v" : 1 , "other" : [ { } ] , "payload" : null , "type" : "b" , "id" : "\ud83d\ude00" } `,
	`{"v":1,"id":"a","type":"b","queue":"c","payload":1,"created_at":"2026-03-01T10:00:00.000000001+02:00","scheduled_for":"2026-03-01T10:00:00Z"}`,
	`{"v":1,"id":"a","type":"b","queue":"c","payload":1,"priority":1,"group_key":"g","unique_key":"u","unique_for_ms":2,"max_retries":3,"retry_count":4,"timeout_ms":5,"schema_version":6,"shape":"0123456789ab"}`,
	`{"v":2}`, `{"v":1,"v":1}`, `{"v":1.0}`, `{"id":"\ud800"}`, `{}`, `[`, ``, `null`, `{"a":1,}`, `{"payload":{"a":01}}`,
	`{"v":1,"id":"a","type":"b","queue":"c","payload":"a","encoding":"x"}`, `{"metadata":{"a":"b","a":"c"}}`, `{"timeout_ms":9223372036855}`,
}

// FuzzDecodeEnvelope holds DecodeEnvelope against encoding/json: they take the
// same envelopes and read the same tasks out of them.
func FuzzDecodeEnvelope(f *testing.F) {
	for _, seed := range envelopeSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { requireAgreement(t, data) })
}

// requireAgreement reports whether data is an envelope, once the codec and
// encoding/json agree on that and on what it says.
func requireAgreement(t require.TestingT, data []byte) bool {
	want, refErr := refDecode(data)
	got, err := DecodeEnvelope(data)
	if refErr != nil {
		require.ErrorIs(t, err, ErrInvalidTask, "encoding/json says: %v", refErr)
		require.Nil(t, got)
		return false
	}
	require.NoError(t, err)
	requireSameTask(t, want, got)
	require.NoError(t, got.Validate())
	again, err := DecodeEnvelope(AppendEnvelope(nil, got))
	require.NoError(t, err)
	requireSameTask(t, got, again)
	return true
}

// oddValues stand where an envelope has its values: some fit, most do not.
var oddValues = []string{
	`""`, `"a"`, `"\u00e9\/\n"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00x"`, `"\ud83d\u0061"`, "\"\u2028\"", "\"\t\"", "\"\xff\"", `"\x"`,
	`0`, `-0`, `1`, `-1`, `01`, `1.0`, `1e2`, `9223372036854`, `9223372036855`, `9223372036854775807`, `9223372036854775808`, `-`, `.5`, `1.`,
	`null`, `true`, `false`, `nul`, `{}`, `[]`, `{"a":"b"}`, `{"a":"b","a":"c"}`, `{"a":"b","\u0061":"c"}`, `{"a":1}`, `{"a":null}`, `["a"]`, `[1,]`, `{,}`,
	`"2026-03-01T10:20:30Z"`, `"2026-03-01T10:20:30.000000001+02:00"`, `"2026-03-01T10:20:30,5Z"`, `"2026-03-01t10:20:30z"`, `"0000-12-31T23:59:59Z"`,
	`"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59-00:01"`, `"2026-02-30T00:00:00Z"`, `"2026-03-01T1:20:30Z"`, `"2026-03-01T10:20:30\u005a"`,
	`"aGVsbG8="`, `"aGVsbG8"`, `"aGVs\nbG8="`, `"zstd"`, `"\/\/8="`, `"0123456789ab"`, `"0123456789\u0061b"`, `"0123456789AB"`, `"0123456789a"`,
}

// Envelopes put together from the right keys and odd values reach corners that
// bytes changed at random do not.
func TestDecodeAgreesWithEncodingJSONOnOddEnvelopes(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		members := []string{`"v":1`, `"id":"a"`, `"type":"b"`, `"queue":"c"`, `"payload":[1]`}
		keys := rapid.SampledFrom(append([]string{"other", "V", "Id", `\u0069d`, `m\u0065tadata`, `\ud83d`}, envelopeKeys...))
		for range rapid.IntRange(0, 3).Draw(rt, "extra") {
			member := `"` + keys.Draw(rt, "key") + `":` + rapid.SampledFrom(oddValues).Draw(rt, "value")
			if i := rapid.IntRange(0, 2*len(members)).Draw(rt, "place"); i < len(members) {
				members[i] = member
			} else {
				members = append(members, member)
			}
		}
		members = rapid.Permutation(members).Draw(rt, "order")
		space := rapid.SampledFrom([]string{"", "", " ", "\n\t\r", "\v"})
		text := space.Draw(rt, "space") + "{" + space.Draw(rt, "space") + strings.Join(members, space.Draw(rt, "space")+","+space.Draw(rt, "space")) +
			"}" + space.Draw(rt, "space")
		if requireAgreement(rt, []byte(text)) {
			accepted++
		}
	})
	if !testing.Short() { // which is too few to rely on
		require.NotZero(t, accepted)
	}
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
