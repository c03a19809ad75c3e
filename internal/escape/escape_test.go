package escape_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/internal/escape"
)

func TestPlainTextStaysAsItIs(t *testing.T) {
	assert.Equal(t, "embeddings", escape.Text("embeddings", '%', escape.But(":{}")))
	assert.Equal(t, "", escape.Text("", '%', escape.But(":")))
	assert.Equal(t, "eu%3Amail", escape.Text("eu:mail", '%', escape.But(":")))
	assert.Equal(t, "100%25", escape.Text("100%", '%', escape.But("")))
}

// With % as the mark it is what URLs do, which can be undone: so no two texts are one.
func TestEveryTextCanBeHadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		special := rapid.StringMatching(`[a-z:{}. ]{0,4}`).Draw(t, "special")
		got := escape.Text(s, '%', escape.But(special))
		back, err := url.PathUnescape(got)
		require.NoError(t, err)
		require.Equal(t, s, back)
		require.Equal(t, s, escape.Original(got, '%'))
		require.Equal(t, s, escape.Original(escape.Text(s, '=', escape.But(special)), '='))
	})
}
