package drivertest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAChildRefusesOrdersThatItCannotFollow(t *testing.T) {
	h := memoryHarness()
	for text, want := range map[string]string{
		"nonsense":                             "invalid character",
		`{"Provider":"memory","Role":"stand"}`: `unknown role "stand"`,
		`{"Provider":"other","Role":"work"}`:   `no harness is called "other"`,
	} {
		assert.ErrorContains(t, runChild(text, []Harness{h}), want)
	}
}

func TestAProcessThatIsNoChildGoesOn(t *testing.T) {
	t.Setenv(childEnv, "")
	Child(memoryHarness())
}
