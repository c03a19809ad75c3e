package runtime_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
)

func TestKeyOfIsTheSameForTheSameValues(t *testing.T) {
	type part struct{ A, B string }
	key := runtime.KeyOf("text", 3, part{"a", "b"}, map[string]int{"x": 1, "y": 2})
	for range 20 {
		assert.Equal(t, key, runtime.KeyOf("text", 3, part{"a", "b"}, map[string]int{"y": 2, "x": 1}))
	}
	assert.Len(t, key, 43)
	assert.Equal(t, "OLjvwlTetMsTDfAHZ74p2ZFpdO8gTtv4WYfxWatQLlY", runtime.KeyOf("stays", "as it is"),
		"keys are kept by brokers: they must not change with a release")
}

func TestKeyOfTellsValuesApart(t *testing.T) {
	seen := map[string]string{}
	for name, key := range map[string]string{
		"ab, c":   runtime.KeyOf("ab", "c"),
		"a, bc":   runtime.KeyOf("a", "bc"),
		"a,bc":    runtime.KeyOf("a,bc"),
		`a","bc`:  runtime.KeyOf(`a","bc`),
		"order":   runtime.KeyOf("c", "ab"),
		"number":  runtime.KeyOf(1),
		"text":    runtime.KeyOf("1"),
		"nothing": runtime.KeyOf(),
		"empty":   runtime.KeyOf(""),
		"nil":     runtime.KeyOf(nil),
		"NaN":     runtime.KeyOf(math.NaN()),
		"Inf":     runtime.KeyOf(math.Inf(1)),
	} {
		assert.NotContains(t, seen, key, "%s has the key of %s", name, seen[key])
		seen[key] = name
	}
}
