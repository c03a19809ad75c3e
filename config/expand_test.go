package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func vars(name string) (string, bool, error) {
	switch name {
	case "A":
		return "a", true, nil
	case "EMPTY":
		return "", true, nil
	case "BAD":
		return "", false, errors.New("its file is gone")
	case "NESTED":
		return "${A}", true, nil
	}
	return "", false, nil
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain $A $$ } {": "plain $A $$ } {", "${A}": "a", "x${A}y${A}": "xaya", "${EMPTY}": "", "${EMPTY:-d}": "d", "${GONE:-d}": "d", "${GONE:-}": "", "${A:-d}": "a",
		"${A:?m}": "a", "$${A}": "${A}", "$$${A}": "$${A}", "${GONE:-${A}}": "a", "${GONE:-x${GONE:-y}z}": "xyz", "${NESTED}": "${A}", "${GONE:-a:b?c-d}": "a:b?c-d", "ü${A}ü": "üaü",
	} {
		got, used, err := expand(text, vars)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, strings.Contains(strings.ReplaceAll(text, "$${", ""), "${"), used, text)
	}
	for text, want := range map[string]string{
		"${GONE}": "the variable GONE is not set: set it, or write ${GONE:-default}", "${GONE:?where}": "the variable GONE is not set: where", "${EMPTY:?where}": "the variable EMPTY is not set: where",
		"${A": "write the two characters as $${", "${}": "the name of a variable", "${1A}": "the name of a variable", "${A B}": "the name of a variable", "${A:}": "belongs - and a default",
		"${A:+x}": "belongs - and a default", "${GONE:-${GONE}}": "GONE is not set", "${BAD}": "its file is gone", "${GONE:-${A}": "write the two characters as $${",
	} {
		_, _, err := expand(text, vars)
		require.ErrorContains(t, err, want, text)
	}
}

func FuzzExpand(f *testing.F) {
	for _, text := range []string{"${A}", "${GONE:-${A}}", "$${A}", "${A:?x}", "${"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, used, err := expand(text, vars)
		if err == nil && !strings.Contains(text, "${") && (used || got != text) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
