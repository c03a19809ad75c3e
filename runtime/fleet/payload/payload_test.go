package payload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/payload"
)

func TestCheckTellsAPayloadThatDoesNotFitFromASchemaThatCannotBeUsed(t *testing.T) {
	require.NoError(t, payload.Check(welcome, []byte(`{"email":"ada"}`)))
	require.NoError(t, payload.Check(fleet.Type{Name: "any"}, []byte(`4711`)))
	for about, data := range map[string]string{"another type": `{"email":1}`, "no JSON": `s3cret`, "nothing": ``, "two values": `{"email":"a"} 1`} {
		err := payload.Check(welcome, []byte(data))
		require.ErrorIs(t, err, payload.ErrInvalid, about)
		assert.NotContains(t, err.Error(), "s3cret", about)
	}
	open := fleet.Type{Name: "open", Schema: `{"type":"integer"}`}
	require.ErrorIs(t, payload.Check(open, []byte(`"x"`)), payload.ErrInvalid)
	for _, schema := range []string{`{`, `{"type":7}`} {
		err := payload.Check(fleet.Type{Name: "broken", Schema: schema}, []byte(`1`))
		require.ErrorContains(t, err, `the schema of "broken"`)
		require.NotErrorIs(t, err, payload.ErrInvalid)
	}
}

func TestWhatIsNoJSONIsNotShown(t *testing.T) {
	assert.Equal(t, "null", string(payload.Redact(welcome, []byte{1, 2, 3})))
	assert.Equal(t, `"••••"`, string(payload.Redact(welcome, []byte(`"a payload of an earlier shape"`))))
}

// BenchmarkCheck compares a schema that is read for each payload with one that is read once.
func BenchmarkCheck(b *testing.B) {
	data := []byte(`{"email":"ada@example.com","token":"s3cret"}`)
	b.Run("each", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, payload.Check(welcome, data))
		}
	})
	b.Run("once", func(b *testing.B) {
		checker := payload.NewChecker(welcome)
		for b.Loop() {
			require.NoError(b, checker.Check(data))
		}
	})
}
