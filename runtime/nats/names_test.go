package nats

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryTextIsOneTokenOfASubject(t *testing.T) {
	seen := make(map[string]string)
	for _, s := range []string{
		"", "-", "=", "~", "*", ">", ".", "a.b", "a b", "a\tb", "a\x00b", "ключ", "=2d", "2d", "a", "A", "$JS", "\xff",
		strings.Repeat("x", maxToken), strings.Repeat("x", maxToken+1), strings.Repeat("x", maxToken+2), strings.Repeat(".", maxToken),
	} {
		got := token(s)
		assert.NotContains(t, seen, got, "%q and %q", s, seen[got])
		seen[got] = s
		assert.NotEqual(t, none, got)
		assert.NotEmpty(t, got)
		assert.LessOrEqual(t, len(got), maxToken)
		assert.False(t, strings.ContainsAny(got, " \t\r\n.*>\x00/\\"), "%q becomes %q", s, got)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("a", "b")
	f.Add("-", "=2d")
	f.Fuzz(func(t *testing.T, a, b string) {
		if a != b && token(a) == token(b) {
			t.Errorf("%q and %q both become %q", a, b, token(a))
		}
		if x := token(a); x == "" || x == none || strings.ContainsAny(x, " \t\r\n.*>\x00/\\") {
			t.Errorf("%q becomes %q", a, x)
		}
	})
}

func TestASubjectComesApartAsItWasPutTogether(t *testing.T) {
	n := namesOf("p", "a.queue")
	place, rest, ok := n.split(n.at(placeHead, tail("g", none, "id")))
	require.True(t, ok)
	assert.Equal(t, placeHead, place)
	assert.Equal(t, "g.-.id", rest)
	assert.Equal(t, "g", groupOf(rest))
	for _, s := range []string{"", "p", n.root, n.root + "a.b.c.d.e", n.root + "a.b.c.d.e.f.g", "x" + n.at(placeHead, "g.-.id")} {
		_, _, ok := n.split(s)
		assert.False(t, ok, "%q", s)
	}
}

func TestVersionsThatAreTooOldAreTold(t *testing.T) {
	for version, want := range map[string]bool{
		"2.12.0": true, "v2.12.1": true, "2.15.2-RC.1": true, "3.0.0": true, "2.11.9": false, "1.99.0": false, "": false, "2": false, "x.y.z": false,
	} {
		assert.Equal(t, want, newEnough(version), "version %q", version)
	}
}

// The IDs of messages that cannot be decoded are in their subjects, which other programs
// choose.
func TestAMessageIsFoundByTheIDThatItsSubjectGivesIt(t *testing.T) {
	for token, want := range map[string]string{
		"x": "x", "a=2eb": "a.b", "=d0=ba": "к", // tokens of IDs
		"~" + strings.Repeat("0f", 32): "~" + strings.Repeat("0f", 32),                                                                    // hashed
		"-":                            "-", "=": "=", "=zz": "=zz", "=2": "=2", "=41": "=41", "=ff": "=ff", "$JS": "$JS", "ключ": "ключ", // no ID's
		strings.Repeat("x", maxToken+1): strings.Repeat("x", maxToken+1),
	} {
		id := subjectID("p.q.q.r.0.-.-." + token)
		assert.Equal(t, want, id, "token %q", token)
		assert.Contains(t, idTokens(id), token, "ID %q", id)
	}
	for _, id := range []string{"a", "a.b", "*", ">", "a b", "", strings.Repeat("x", maxForeignToken+1)} {
		assert.Equal(t, []string{token(id)}, idTokens(id), "ID %q", id)
	}
}
