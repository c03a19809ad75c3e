package analyze_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAliasesOfStructsAreDefinedOnce(t *testing.T) {
	const levels = 16 // 131,072 fields in all
	var src strings.Builder
	src.WriteString("-- p.go --\n" + header + "package p\n\ntype T0 = struct{ A, B int }\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&src, "type T%d = struct{ A, B T%d }\n", i, i-1)
	}
	fmt.Fprintf(&src, "\n//taskgen:task\ntype FooTask struct{ F T%d }\n", levels)
	l := loaded(t, module(t, src.String()))
	assert.Empty(t, l.Diagnostics)
	require.Len(t, l.Packages, 1)
	assert.Len(t, l.Packages[0].Tasks[0].Payload.Definitions, levels+1)
}

// Forty levels of pointers to embedded structs, each of which two ways lead to.
func TestDiamondsOfEmbeddedStructsAreLookedAtOnce(t *testing.T) {
	const levels = 40
	var src strings.Builder
	src.WriteString("-- p.go --\n" + header + "package p\n\ntype T0 struct{ X int }\n\ntype U0 struct{}\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&src, "\ntype (\n\tT%[1]d struct { *T%[2]d; *U%[2]d }\n\tU%[1]d struct { *T%[2]d; *U%[2]d }\n)\n", i, i-1)
	}
	fmt.Fprintf(&src, "\n//taskgen:task\ntype FooTask struct { *T%[1]d; *U%[1]d }\n", levels)
	l := loaded(t, module(t, src.String()))
	assert.NotEmpty(t, l.Diagnostics, "X is there twice")
}
