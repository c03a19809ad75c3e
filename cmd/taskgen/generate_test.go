package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheEnvironmentNamesTheCache(t *testing.T) {
	t.Setenv(cacheVariable, "off")
	require.Empty(t, cacheDir())
	t.Setenv(cacheVariable, "relative")
	require.Empty(t, cacheDir())
	dir := t.TempDir()
	t.Setenv(cacheVariable, dir)
	require.Equal(t, dir, cacheDir())
	t.Setenv(cacheVariable, "")
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("HOME", dir)
	require.True(t, strings.HasPrefix(cacheDir(), dir))
}
