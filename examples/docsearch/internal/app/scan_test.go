package app

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDocumentsAreFoundInOrderAndWithoutOtherPeoplesFiles(t *testing.T) {
	folder := fstest.MapFS{}
	for _, p := range []string{
		"b.md", "a.MD", "sub/c.markdown", "sub/deep/d.txt", "code.go", ".hidden/e.md",
		"node_modules/f/README.md", "sub/vendor/g.md", "testdata/h.txt", "no-extension",
	} {
		folder[p] = &fstest.MapFile{Data: []byte("text")}
	}
	got, err := documents(folder)
	require.NoError(t, err)
	assert.Equal(t, []string{"a.MD", "b.md", "sub/c.markdown", "sub/deep/d.txt"}, got)
}

func TestAVersionIsOfContentAndParameters(t *testing.T) {
	of := func(source string, parameters map[string]any) string { return versionOf([]byte(source), parameters) }
	base := of("text", map[string]any{"size": 120, "overlap": 20})
	assert.Equal(t, base, of("text", map[string]any{"overlap": float64(20), "size": float64(120)}), "as JSON gives them back")
	for _, other := range []string{
		of("text ", map[string]any{"size": 120, "overlap": 20}),
		of("text", map[string]any{"size": 121, "overlap": 20}),
		of("text", nil),
	} {
		assert.NotEqual(t, base, other)
	}
}
