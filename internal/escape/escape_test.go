package escape

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPlainTextStaysAsItIs(t *testing.T) {
	assert.Equal(t, "embeddings", Text("embeddings", '%', But(":{}")))
	assert.Equal(t, "", Text("", '%', But(":")))
	assert.Equal(t, "eu%3Amail", Text("eu:mail", '%', But(":")))
	assert.Equal(t, "100%25", Text("100%", '%', But("")))
}

// With % as the mark it is what URLs do, which can be undone: so no two texts are one.
func TestEveryTextCanBeHadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		special := rapid.StringMatching(`[a-z:{}. ]{0,4}`).Draw(t, "special")
		got := Text(s, '%', But(special))
		back, err := url.PathUnescape(got)
		require.NoError(t, err)
		require.Equal(t, s, back)
		require.Equal(t, s, Original(got, '%'))
		require.Equal(t, s, Original(Text(s, '=', But(special)), '='))
	})
}
