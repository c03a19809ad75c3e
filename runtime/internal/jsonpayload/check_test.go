package jsonpayload_test

import (
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/internal/jsonpayload"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	v, err := jsonpayload.Decode([]byte(text))
	require.NoError(t, err)
	return v
}

func TestAPayloadIsHeldToItsSchema(t *testing.T) {
	const schema = `{"type":"object","properties":{"n":{"type":"integer"},"at":{"type":"string","format":"date-time"}},"required":["n"]}`
	require.NoError(t, jsonpayload.Check(decode(t, `{"n":12345678901234567890}`), "t", schema, nil))
	require.NoError(t, jsonpayload.Check(decode(t, `"anything"`), "t", "", nil))
	for _, payload := range []string{`{}`, `{"n":"1"}`, `{"n":1,"at":"today"}`, `[]`} {
		err := jsonpayload.Check(decode(t, payload), "t", schema, nil)
		var mismatch *jsonpayload.Mismatch
		require.ErrorAs(t, err, &mismatch, payload)
		var failed *jsonschema.ValidationError
		require.ErrorAs(t, err, &failed, "without secrets the library's error is there")
	}
}

func TestAMismatchTellsNoSecret(t *testing.T) {
	const schema = `{"type":"object","properties":{"pin":{"type":"integer"},"to":{"type":"array","items":{"type":"object","required":["name"]}}},"required":["open"],"additionalProperties":false}`
	secrets := []string{"/pin", "/to/*/code"}
	for payload, want := range map[string]string{
		`{"open":1,"pin":"s3cret"}`:           `at "/pin": type: integer, and it is string`,
		`{"open":1,"to":[{"code":"s3cret"}]}`: `at "/to/0": required: name`,
		`{"open":1,"to":["s3cret"]}`:          `at "/to/0": type: object, and it is string`,
		`{"pin":1}`:                           `at "": required: open`,
		`{"open":1,"to":{"s3cret":"s3cret"}}`: `at "/to": type: array, and it is object`,
	} {
		err := jsonpayload.Check(decode(t, payload), "t", schema, secrets)
		require.ErrorContains(t, err, want, payload)
		assert.NotContains(t, err.Error(), "s3cret", payload)
		var failed *jsonschema.ValidationError
		assert.NotErrorAs(t, err, &failed, "the library's error quotes values")
	}
}

func TestASchemaThatCannotBeUsedIsNoMismatch(t *testing.T) {
	for _, schema := range []string{`{`, `{"type":7}`} {
		err := jsonpayload.Check(decode(t, `1`), "broken", schema, nil)
		require.ErrorContains(t, err, `the schema of "broken"`)
		var mismatch *jsonpayload.Mismatch
		assert.NotErrorAs(t, err, &mismatch)
	}
}

func TestWhatIsNoJSONIsNotQuoted(t *testing.T) {
	for _, text := range []string{`s3cret`, `{"a":s3cret}`, `1 "s3cret"`, ``} {
		_, err := jsonpayload.Decode([]byte(text))
		require.Error(t, err, text)
		assert.NotContains(t, jsonpayload.SyntaxError(err), "s3cret")
	}
}
