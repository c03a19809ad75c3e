package config

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The packages cannot be imported here: they import this one.
func TestTheKnownSchemesAreThoseOfThePackages(t *testing.T) {
	there := make(map[string]string)
	files, err := filepath.Glob("*/*.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\bScheme: "([^"]+)"`).FindAllSubmatch(text, -1) {
			there[string(m[1])] = filepath.Dir(file)
		}
	}
	assert.Equal(t, there, known)
}
