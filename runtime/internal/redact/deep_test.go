package redact_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// bag encodes itself, and may hold anything.
type bag struct {
	Items map[string]any
	any   any
}

func (b bag) MarshalJSON() ([]byte, error) { return json.Marshal(b.Items) }
func (b bag) String() string               { return fmt.Sprint(b.Items, b.any) }

// tokenKey is a key of maps that holds a secret.
type tokenKey struct {
	Host  string `json:"host"`
	Token string `json:"token" task:"secret"`
}

func (k tokenKey) MarshalText() ([]byte, error) { return []byte(k.Host + k.Token), nil }

type refused struct {
	Login Login `json:"login"`
}

func (r refused) Error() string { return "refused: " + r.Login.Password }

// mentions has a LogValue that passes on what it holds.
type mentions struct{ login Login }

func (m mentions) LogValue() slog.Value { return slog.AnyValue(m.login) }

type fails struct{ N int }

func (f *fails) LogValue() slog.Value { panic(f.N) }

func TestSecretsAreHiddenBehindInterfaces(t *testing.T) {
	login := Login{"ann", hidden}
	v := struct {
		Any      any
		Error    error
		Stringer fmt.Stringer
		List     []any
		Errors   []error
		Deep     any
		Wrapped  error
		Unsaid   any
	}{
		Any: &login, Error: refused{login}, Stringer: spoken{hidden}, List: []any{[]any{login}}, Errors: []error{refused{login}, errors.New("plain")},
		Deep: map[string]any{"a": []map[string]any{{"b": login}}}, Wrapped: fmt.Errorf("x: %w", refused{login}), Unsaid: mentions{login},
	}
	text := redact.String(v)
	assert.NotContains(t, text, hidden)
	assert.Contains(t, text, `Any: {user: "ann", password: ••••}`)
	assert.Contains(t, text, `Unsaid: {user: "ann", password: ••••}`)
	assert.Contains(t, text, "plain", "an error without secrets says what it is")
	assert.NotContains(t, redact.Value([]any{v}).String(), hidden)
}

func TestAContainerThatEncodesItselfHidesWhatItHappensToHold(t *testing.T) {
	login := Login{"ann", hidden}
	for _, b := range []bag{{Items: map[string]any{"a": login}}, {any: []any{&login}}} {
		assert.NotContains(t, redact.String(struct{ Bag bag }{b}), hidden)
		assert.NotContains(t, redact.Value(b).String(), hidden)
	}
	b := bag{Items: map[string]any{"a": 1}}
	assert.Equal(t, "struct { Bag redact_test.bag }{Bag: map[a:1] <nil>}", redact.String(struct{ Bag bag }{b}), "without secrets it speaks for itself")
}

func TestSecretsInKeysOfMapsAreHidden(t *testing.T) {
	v := map[tokenKey]int{{"a", hidden}: 1, {"b", hidden}: 2, {"b", hidden + "2"}: 3}
	text := redact.String(v)
	assert.NotContains(t, text, hidden)
	for _, want := range []string{`{host: "a", token: ••••}`, `{host: "b", token: ••••}`, `{host: "b", token: ••••} (2)`} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, redact.Value(map[any]string{tokenKey{"a", hidden}: "x"}).String(), hidden)
	assert.Equal(t, `map[1: "x"]`, redact.Value(map[any]string{1: "x"}).String())
}

func TestTagsOnUnexportedAndEmbeddedFieldsHide(t *testing.T) {
	text := redact.String(struct {
		Login  `task:"secret"`
		pin    string `task:"secret"`
		hidden Login
	}{Login{"ann", hidden}, hidden, Login{"ann", hidden}})
	assert.NotContains(t, text, hidden)
	assert.Contains(t, text, "{Login: ••••, pin: ••••}")
}

func TestRedactEndsOnValuesThatLeadBackInManyWays(t *testing.T) {
	r := &ring{Key: hidden}
	r.Next = []*ring{r, r, r}
	assert.Equal(t, `redact_test.ring{key: ••••, next: [{key: ••••, next: …}, {key: ••••, next: …}, {key: ••••, next: …}]}`, redact.String(r))
	assert.NotContains(t, redact.Value(*r).String(), hidden)

	wide := &ring{Key: hidden} // 3^40 ways from the top to the bottom
	for range 40 {
		wide = &ring{Key: hidden, Next: []*ring{wide, wide, wide}}
	}
	assert.NotContains(t, redact.Value(wide).String(), hidden)

	m := map[string]any{"key": Login{"ann", hidden}}
	m["self"] = m
	assert.NotContains(t, redact.Value(m).String(), hidden)
	cyclic := []any{nil, Login{"ann", hidden}}
	cyclic[0] = cyclic
	assert.NotContains(t, redact.Value(bag{Items: map[string]any{"x": cyclic}}).String(), hidden)
}

func TestALogValueThatPanicsIsSaidAndDoesNotStopTheLog(t *testing.T) {
	text := redact.String(struct{ F *fails }{&fails{3}})
	assert.Equal(t, `struct { F *redact_test.fails }{F: "LogValue of *redact_test.fails panicked: 3"}`, text)
}

func TestWhatATypeSaysInALogIsShownAsItSaysIt(t *testing.T) {
	assert.Equal(t, `struct { T redact_test.told }{T: "told"}`, redact.String(struct{ T told }{told{hidden}}))
	assert.Equal(t, `struct { C redact_test.card }{C: {name: "ann", number: ••••}}`, redact.String(struct{ C card }{card{"ann", hidden}}))
}

func TestALogValueThatIsPrintedUnresolvedHidesSecrets(t *testing.T) {
	v := card{"ann", hidden}.LogValue()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		assert.NotContains(t, fmt.Sprintf(format, v), hidden, format)
		assert.NotContains(t, fmt.Sprintf(format, v.Any()), hidden, format)
		assert.NotContains(t, fmt.Sprintf(format, []any{v, v.Any()}), hidden, format)
	}
	data, err := json.Marshal(v.Any())
	assert.NoError(t, err)
	assert.JSONEq(t, `{"name":"ann","number":"••••"}`, string(data))
}

type failing struct{ Login }

func (f failing) Error() string                 { return "no such login: " + f.User }
func (f failing) Format(s fmt.State, verb rune) { redact.Format(s, verb, &f) }

func TestFormatRedactedPrintsAnErrorAsItSaysItself(t *testing.T) {
	assert.Equal(t, "x: no such login: ann", fmt.Errorf("x: %w", failing{Login{"ann", hidden}}).Error())
	assert.Equal(t, "no such login: ann", fmt.Sprint(failing{Login{"ann", hidden}}))
}
