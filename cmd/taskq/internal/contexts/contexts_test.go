package contexts_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/cmd/taskq/internal/contexts"
)

func TestOnlyTheOwnerCanReadTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "contexts.json")
	f, err := contexts.Load(path)
	require.NoError(t, err, "one that is missing is empty")
	assert.Empty(t, f.Names())
	f.Contexts["b"], f.Contexts["a"] = contexts.Context{URL: "https://b"}, contexts.Context{URL: "https://a", Token: "secret"}
	f.Current = "a"
	require.NoError(t, f.Save())
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	again, err := contexts.Load(path)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, again.Names())
	assert.Equal(t, f.Contexts, again.Contexts)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no file is left from writing")
}

func TestADamagedFileIsAnErrorThatNamesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contexts.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"contexts":`), 0o600))
	_, err := contexts.Load(path)
	require.ErrorContains(t, err, path+" is damaged")
}

func TestTheFileIsWhereTheStandardHasIt(t *testing.T) {
	dir := t.TempDir()
	path, err := contexts.Path(func(string) string { return dir })
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "taskq", "contexts.json"), path)
}
