package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestACommandFindsTheServersBesideIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "said")
	code, err := run([]string{"redis", "--", "sh", "-c", `printf '%s %s\n' "$1" "$TASKGEN_TEST_REDIS_URL" >"$2"; exit 7`, "sh", "at {redis}", file})
	require.NoError(t, err)
	assert.Equal(t, 7, code)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	words := strings.Fields(string(text))
	require.Len(t, words, 3)
	assert.Regexp(t, `^redis://127\.0\.0\.1:\d+$`, words[1])
	assert.Equal(t, words[1], words[2])
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for want, args := range map[string][]string{
		"usage":                       {"redis"},
		"usage: run":                  {"--", "true"},
		`there is no server "rabbit"`: {"rabbit", "--", "true"},
		"executable file not found":   {"redis", "--", "no-such-command-of-ours"},
	} {
		code, err := run(args)
		assert.NotZero(t, code)
		assert.ErrorContains(t, err, want)
	}
}
