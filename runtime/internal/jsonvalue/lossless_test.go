package jsonvalue

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALongNumberIsFoundWhereverItStands(t *testing.T) {
	for before := range 40 {
		for after := range 3 {
			text := strings.Repeat("a", before) + "%s" + strings.Repeat("b", after)
			assert.True(t, hasLongNumber([]byte(strings.Replace(text, "%s", "9007199254740993", 1))), text)
			assert.False(t, hasLongNumber([]byte(strings.Replace(text, "%s", "900719925474099", 1))), text)
		}
	}
}

func BenchmarkLossless(b *testing.B) {
	v := struct {
		Text string         `json:"text"`
		Keys map[string]any `json:"keys"`
	}{strings.Repeat("text ", 50), map[string]any{"a": "b"}}
	payload, err := json.Marshal(&v)
	require.NoError(b, err)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if err := Lossless(payload, &v); err != nil {
			b.Fatal(err)
		}
	}
}
