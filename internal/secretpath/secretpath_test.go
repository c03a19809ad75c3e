package secretpath_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/internal/secretpath"
)

// hides reports whether a path hides the place that the given names lead to; [] is
// an element of a list.
func hides(path string, place ...string) bool {
	set := secretpath.Parse([]string{path})
	for _, name := range place {
		if set.Here() {
			return true
		}
		if name == "[]" {
			var ok bool
			if set, ok = set.Element(); !ok {
				return true
			}
			continue
		}
		set = set.Member(name)
	}
	return set.Here()
}

func TestPointerLeadsToOnePlace(t *testing.T) {
	assert.True(t, hides("/card", "card"))
	assert.True(t, hides("/card", "CARD"), "encoding/json reads it so")
	assert.False(t, hides("/card", "cards"))
	assert.False(t, hides("/card", "a", "card"))
	assert.True(t, hides("/to/*/iban", "to", "[]", "iban"))
	assert.True(t, hides("/to/*/iban", "to", "home", "iban"))
	assert.False(t, hides("/to/*/iban", "to", "[]", "name"))
	assert.True(t, hides("/to/*", "to", "[]"))
	assert.True(t, hides("/*", "whatever"))
	assert.True(t, hides("/card", "card", "below", "it"))
}

func TestNamesMayHoldWhatSeparatesSteps(t *testing.T) {
	assert.True(t, hides("/api.key", "api.key"))
	assert.False(t, hides("/api.key", "api", "key"))
	assert.True(t, hides("/a~1b", "a/b"))
	assert.True(t, hides("/a~0b", "a~b"))
	assert.True(t, hides("/~2", "*"))
	assert.False(t, hides("/~2", "other"))
	assert.True(t, hides("/~01", "~1"))
	assert.True(t, hides("/", ""))
	assert.False(t, hides("/", "a"))
}

func TestEscapedNameLeadsToItself(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[a-c~/*.0-2]{0,5}`), 1, 4).Draw(rt, "names")
		path := ""
		for _, name := range names {
			path += "/" + secretpath.Escape(name)
		}
		set := secretpath.Parse([]string{path})
		for _, name := range names {
			if set.Here() {
				rt.Fatalf("%q ends above %q", path, name)
			}
			if !strings.EqualFold(name, name+"x") && len(set.Member(name+"x")) > 0 {
				rt.Fatalf("%q leads to a neighbour of %q", path, name)
			}
			set = set.Member(name)
		}
		if !set.Here() {
			rt.Fatalf("%q does not lead to %q", path, names)
		}
	})
}

func TestEmptyPathIsTheWholePayload(t *testing.T) {
	assert.True(t, secretpath.Parse([]string{""}).Here())
	assert.False(t, secretpath.Parse(nil).Here())
	assert.False(t, secretpath.Parse([]string{"/"}).Here())
}

func TestMalformedPointerHidesEverything(t *testing.T) {
	for _, path := range []string{"/a~", "/~3", "/a/~b"} {
		assert.True(t, secretpath.Parse([]string{path}).Here(), path)
	}
}

func TestDottedPathIsReadInEachWay(t *testing.T) {
	assert.True(t, hides("card", "card"))
	assert.True(t, hides("api.key", "api", "key"))
	assert.True(t, hides("api.key", "api.key"))
	assert.True(t, hides("login.api.key", "login", "api.key"))
	assert.True(t, hides("login.api.key", "LOGIN.API", "key"))
	assert.True(t, hides("login.api.key", "login.api.key"))
	assert.True(t, hides("to.*.iban", "to", "[]", "iban"))
	assert.True(t, hides("to.*.iban", "to.*.iban"))
	assert.False(t, hides("api.key", "api"))
	assert.False(t, hides("api.key", "key"))
	assert.False(t, hides("to.*.iban", "to", "[]", "name"))
}

func TestListInThePlaceOfAnObjectIsHidden(t *testing.T) {
	_, ok := secretpath.Parse([]string{"/a"}).Element()
	assert.False(t, ok)
	_, ok = secretpath.Parse([]string{"/*/x", "/a"}).Element()
	assert.False(t, ok)
}
