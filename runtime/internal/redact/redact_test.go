package redact_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

const hidden = "hunter2"

type Login struct {
	User     string `json:"user"`
	Password string `json:"password" task:"required,secret"`
}

type origin struct {
	Host  string `json:"host"`
	Token string `json:"token" task:"secret"`
}

// spoken has secrets and a way to show itself that would tell them.
type spoken struct {
	Key string `json:"key" task:"secret"`
}

func (s spoken) String() string { return s.Key }

type masked struct{ Number string }

func (m masked) LogValue() slog.Value { return slog.StringValue("card " + m.Number[len(m.Number)-2:]) }

type node struct {
	Name string `json:"name"`
	Next *node  `json:"next"`
}

type secretive struct {
	*origin
	Text    string           `json:"text"`
	APIKey  string           `json:"api_key" task:"secret"`
	Login   *Login           `json:"login"`
	Nobody  *Login           `json:"nobody"`
	Logins  []Login          `json:"logins"`
	ByName  map[string]Login `json:"by_name"`
	Spoken  spoken           `json:"spoken"`
	Any     any              `json:"any"`
	Card    masked           `json:"card"`
	At      time.Time        `json:"at"`
	Body    json.RawMessage  `json:"body"`
	Tags    []string         `json:"tags"`
	Local   string           `json:"-"`
	private string
	Bare    int
}

func full() secretive {
	login := Login{User: "ann", Password: hidden}
	return secretive{
		origin: &origin{Host: "h", Token: hidden}, Text: "a cat", APIKey: hidden,
		Login: &login, Logins: []Login{login}, ByName: map[string]Login{"a": login},
		Spoken: spoken{hidden}, Any: []any{login, 7}, Card: masked{hidden + "42"},
		At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Body: json.RawMessage(`{"a":1}`),
		Tags: []string{"x"}, Local: hidden, private: hidden, Bare: 3,
	}
}

func TestRedactHidesSecretsHoweverDeep(t *testing.T) {
	var out bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "time" || a.Key == "level" || a.Key == "msg" {
			return slog.Attr{}
		}
		return a
	}
	slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: drop})).Info("", "t", redact.Value(full()))
	assert.JSONEq(t, `{"t": {
		"host": "h", "token": "••••", "text": "a cat", "api_key": "••••",
		"login": {"user": "ann", "password": "••••"}, "nobody": null,
		"logins": [{"user": "ann", "password": "••••"}],
		"by_name": {"a": {"user": "ann", "password": "••••"}},
		"spoken": {"key": "••••"}, "any": [{"user": "ann", "password": "••••"}, 7],
		"card": "card 42", "at": "2026-01-02T03:04:05Z", "body": {"a": 1},
		"tags": ["x"], "Bare": 3}}`, out.String())

	out.Reset()
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "t", redact.Value(full()))
	assert.NotContains(t, out.String(), hidden)
	assert.Contains(t, out.String(), "t.login.password=••••")
}

func TestRedactEndsOnValuesThatPointToThemselves(t *testing.T) {
	n := &node{Name: "a"}
	n.Next = n
	assert.Contains(t, redact.Value(n).String(), "name=a")
	var list []any
	list = append(list, nil)
	list[0] = list
	assert.NotPanics(t, func() { redact.Value(list) })
}

func TestRedactOfNothing(t *testing.T) {
	assert.Nil(t, redact.Value(nil).Any())
	assert.Nil(t, redact.Value((*Login)(nil)).Any())
	assert.Equal(t, "<nil>", redact.String(nil))
	assert.NotContains(t, redact.String(secretive{}), "host")
}

func TestRedactedStringReadsLikeAStruct(t *testing.T) {
	want := `redact_test.Login{user: "ann", password: ••••}`
	assert.Equal(t, want, redact.String(Login{"ann", hidden}))
	assert.Equal(t, want, redact.String(&Login{"ann", hidden}))
	assert.NotContains(t, redact.String(full()), hidden)
}

type formatted struct{ Login }

func (l formatted) Format(f fmt.State, verb rune) { redact.Format(f, verb, l.Login) }

type named struct{ Login }

func (l named) String() string   { return "login of " + l.User }
func (l named) GoString() string { return "named" }
func (l named) Format(f fmt.State, verb rune) {
	redact.Format(f, verb, struct{ stringers }{l})
}

type stringers interface {
	fmt.Stringer
	fmt.GoStringer
}

func TestFormatRedactedTellsNoSecretWhateverTheVerb(t *testing.T) {
	shown := `redact_test.Login{user: "ann", password: ••••}`
	l := formatted{Login{"ann", hidden}}
	for format, want := range map[string]string{
		"%v": shown, "%+v": shown, "%#v": shown, "%s": shown, "%q": fmt.Sprintf("%q", shown),
		"%d": "%!d(" + shown + ")", "%x": fmt.Sprintf("%x", shown), "%60v": fmt.Sprintf("%60s", shown),
	} {
		assert.Equal(t, want, fmt.Sprintf(format, l), format)
	}
}

func TestFormatRedactedAsksTheMethodsOfTheValue(t *testing.T) {
	n := named{Login{"ann", hidden}}
	assert.Equal(t, "login of ann", fmt.Sprintf("%v", n))
	assert.Equal(t, "login of ann", fmt.Sprintf("%s", n))
	assert.Equal(t, "named", fmt.Sprintf("%#v", n))
}
