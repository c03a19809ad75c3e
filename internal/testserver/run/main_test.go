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

func TestTheDataOfServersStayWhereTheyAreToBeKept(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	for _, want := range []string{"1", "2"} {
		file := filepath.Join(t.TempDir(), "said")
		code, err := run([]string{"-keep", "redis", "--", "sh", "-c", `redis-cli -u "$1" INCR runs >"$2"`, "sh", "{redis}", file})
		require.NoError(t, err)
		require.Zero(t, code)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, want, strings.TrimSpace(string(text)))
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for want, args := range map[string][]string{
		"usage":                       {"redis"},
		"usage: run":                  {"--", "true"},
		"usage: run [-keep]":          {"-keep", "--", "true"},
		"sqs keeps no data":           {"-keep", "sqs", "--", "true"},
		`there is no server "rabbit"`: {"rabbit", "--", "true"},
		"executable file not found":   {"redis", "--", "no-such-command-of-ours"},
	} {
		code, err := run(args)
		assert.NotZero(t, code)
		assert.ErrorContains(t, err, want)
	}
}
