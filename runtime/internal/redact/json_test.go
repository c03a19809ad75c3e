package redact_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// card, purse and ring have the methods that are generated for types with
// secrets.
type card struct {
	Name   string `json:"name,omitempty"`
	Number string `json:"number" task:"secret"`
}

func (t card) LogValue() slog.Value { return redact.LogValue(t) }
func (t card) MarshalJSON() ([]byte, error) {
	type plain card
	return redact.Marshal(&t, (*plain)(&t))
}

type purse struct {
	Cards  []card          `json:"cards"`
	ByName map[string]card `json:"by_name,omitempty"`
	Best   *card           `json:"best"`
	Spare  card            `json:"spare,omitzero"`
	Any    any             `json:"any"`
}

func (t purse) LogValue() slog.Value { return redact.LogValue(t) }
func (t purse) MarshalJSON() ([]byte, error) {
	type plain purse
	return redact.Marshal(&t, (*plain)(&t))
}

// ring leads back to itself.
type ring struct {
	Key  string  `json:"key" task:"secret"`
	Next []*ring `json:"next"`
	Up   *ring   `json:"-"`
}

func (t ring) LogValue() slog.Value { return redact.LogValue(t) }
func (t ring) MarshalJSON() ([]byte, error) {
	type plain ring
	return redact.Marshal(&t, (*plain)(&t))
}

// boxed embeds one that has a MarshalJSON.
type boxed struct {
	card
	Size int `json:"size"`
}

func (t boxed) LogValue() slog.Value { return redact.LogValue(t) }
func (t boxed) MarshalJSON() ([]byte, error) {
	type plain struct {
		*boxed
		redact.NoMarshalJSON
	}
	return redact.Marshal(&t, &plain{boxed: &t})
}

// told says itself how it is logged.
type told struct {
	Key string `json:"key" task:"secret"`
}

func (told) LogValue() slog.Value { return slog.StringValue("told") }
func (t told) MarshalJSON() ([]byte, error) {
	type plain told
	return redact.Marshal(&t, (*plain)(&t))
}

// The same without methods.
type (
	bareCard struct {
		Name   string `json:"name,omitempty"`
		Number string `json:"number" task:"secret"`
	}
	barePurse struct {
		Cards  []bareCard          `json:"cards"`
		ByName map[string]bareCard `json:"by_name,omitempty"`
		Best   *bareCard           `json:"best"`
		Spare  bareCard            `json:"spare,omitzero"`
		Any    any                 `json:"any"`
	}
	bareBoxed struct {
		bareCard
		Size int `json:"size"`
	}
)

// pairs are values with methods, and the same without.
func pairs() [][2]any {
	const odd = "<a href=\"x\">&\u2028\xff é"
	c, bc := card{odd, hidden}, bareCard{odd, hidden}
	p := purse{Cards: []card{c, {}}, ByName: map[string]card{"<b>": c}, Best: &c, Any: c}
	bp := barePurse{Cards: []bareCard{bc, {}}, ByName: map[string]bareCard{"<b>": bc}, Best: &bc, Any: bc}
	return [][2]any{
		{c, bc},
		{&c, &bc},
		{card{}, bareCard{}},
		{(*card)(nil), (*bareCard)(nil)},
		{p, bp},
		{&p, &bp},
		{purse{}, barePurse{}},
		{[]purse{p, {}}, []barePurse{bp, {}}},
		{[]card(nil), []bareCard(nil)},
		{map[string]*purse{"a": &p, "b": nil}, map[string]*barePurse{"a": &bp, "b": nil}},
		{struct{ P purse }{p}, struct{ P barePurse }{bp}},
		{boxed{c, 7}, bareBoxed{bc, 7}},
		{[]*boxed{{c, 7}, nil}, []*bareBoxed{{bc, 7}, nil}},
		{[]any{c, 1, nil, &p}, []any{bc, 1, nil, &bp}},
	}
}

func TestJSONIsTheSameToTheByteWithMethodsThatHideSecrets(t *testing.T) {
	ways := map[string]func(any) ([]byte, error){
		"Marshal":       json.Marshal,
		"MarshalIndent": func(v any) ([]byte, error) { return json.MarshalIndent(v, "> ", "\t") },
		"Encoder": func(v any) ([]byte, error) {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			err := enc.Encode(v)
			return b.Bytes(), err
		},
	}
	for name, encode := range ways {
		for i, pair := range pairs() {
			got, err := encode(pair[0])
			require.NoError(t, err)
			want, err := encode(pair[1])
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got), "%s, %d: %T", name, i, pair[0])
		}
	}
}

// logged is what slog's JSON handler writes of a value.
func logged(v any) string {
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("", "v", v)
	_, text, _ := strings.Cut(b.String(), `"v":`)
	return strings.TrimSuffix(text, "}\n")
}

func TestSlogsJSONHandlerGetsNoSecretsWhateverIsAroundThem(t *testing.T) {
	for i, pair := range pairs() {
		text := logged(pair[0])
		assert.NotContains(t, text, hidden, "%d: %T", i, pair[0])
		assert.True(t, json.Valid([]byte(text)), text)
	}
	c := card{"ann", hidden}
	const shown = `{"name":"ann","number":"••••"}`
	assert.JSONEq(t, `[`+shown+`]`, logged([]card{c}))
	assert.JSONEq(t, `{"k":`+shown+`}`, logged(map[string]*card{"k": &c}))
	assert.JSONEq(t, `{"Card":`+shown+`}`, logged(struct{ Card card }{c}))
	assert.JSONEq(t, `[[`+shown+`]]`, logged([1]any{[]any{&c}}))
	assert.JSONEq(t, `[{"name":"ann","number":"••••","size":7}]`, logged([]boxed{{c, 7}}))
	assert.JSONEq(t, `["told"]`, logged([]told{{hidden}}))
	assert.JSONEq(t, `[null]`, logged([]*card{nil}))
}

func TestAttributesThatALoggerHoldsHideSecretsToo(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil)).With("cards", []card{{"ann", hidden}}).WithGroup("g")
	log.Info("", slog.Group("h", slog.Any("c", []*card{{"bob", hidden}})))
	assert.NotContains(t, b.String(), hidden)
	assert.Contains(t, b.String(), "bob")
}

// around writes its own JSON, out of what it holds.
type around struct{ in []card }

func (a around) MarshalJSON() ([]byte, error) { return json.Marshal(a.in) }

func TestAValueThatWritesItsOwnJSONPassesTheQuestionOn(t *testing.T) {
	v := around{[]card{{"ann", hidden}}}
	assert.NotContains(t, logged([]around{v}), hidden)
	data, err := json.Marshal([]around{v})
	require.NoError(t, err)
	assert.Contains(t, string(data), hidden)
}

func TestAnEmbeddedMarshalJSONIsStoppedByNoMarshalJSON(t *testing.T) {
	data, err := json.Marshal(struct {
		card
		redact.NoMarshalJSON
		Size int `json:"size"`
	}{card: card{"ann", hidden}, Size: 7})
	require.NoError(t, err)
	assert.JSONEq(t, `{"name":"ann","number":"`+hidden+`","size":7}`, string(data))
}

func TestValuesThatLeadBackToThemselvesAreErrorsAndShownInLogs(t *testing.T) {
	r := &ring{Key: hidden}
	r.Next = []*ring{r, {Key: hidden, Next: []*ring{r, r}}}
	p := purse{Any: map[string]any{"r": r}}
	for _, v := range []any{r, *r, []*ring{r}, p, map[string]any{"p": []any{p}}} {
		_, err := json.Marshal(v)
		assert.ErrorContains(t, err, "leads back to itself", "%T", v)
		text := logged(v)
		assert.NotContains(t, text, hidden)
		assert.Contains(t, text, "••••")
	}
}

func TestAValueThatIsThereTwiceDoesNotLeadBackToItself(t *testing.T) {
	leaf := &ring{Key: "k"}
	top := &ring{Key: "k", Next: []*ring{leaf, leaf, nil, {Key: "k", Next: []*ring{leaf}}}}
	leaf.Up = top // which is not encoded
	data, err := json.Marshal(top)
	require.NoError(t, err)
	assert.Equal(t, 5, strings.Count(string(data), `"key":"k"`))
}

func TestDeepValuesAreRefusedBeforeTheStackEnds(t *testing.T) {
	deep := &ring{}
	for range 50_000 {
		deep = &ring{Next: []*ring{deep}}
	}
	_, err := json.Marshal(deep)
	assert.ErrorContains(t, err, "nested more than 10000 deep")
}

func TestMarshalRedactedDoesNotMindHowDeepItIsCalled(t *testing.T) {
	var v any = []card{{"ann", hidden}}
	for range 100 {
		v = []any{map[string]any{"v": v}}
	}
	assert.NotContains(t, logged(v), hidden)
	data, err := json.Marshal(v)
	require.NoError(t, err)
	assert.Contains(t, string(data), hidden)
}

func TestRedactAttrHidesWhatHasNoMethods(t *testing.T) {
	type inner struct{ Login Login }
	login := Login{"ann", hidden}
	var out bytes.Buffer
	opts := &slog.HandlerOptions{ReplaceAttr: redact.Attr}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, opts), slog.NewTextHandler(&out, opts)} {
		log := slog.New(h).With("w", []Login{login})
		log.Info("", "a", login, "b", &login, "c", []inner{{login}}, "d", map[string]any{"x": login},
			"e", struct{ login Login }{login}, "f", []*struct{ C card }{{card{"ann", hidden}}},
			slog.Group("g", "h", []any{login}), "n", 7, "text", "plain", "none", nil, "err", fmt.Errorf("no: %w", failed{login}))
	}
	assert.NotContains(t, out.String(), hidden)
	assert.Contains(t, out.String(), `"a":{"user":"ann","password":"••••"}`)
	assert.Contains(t, out.String(), `"n":7,"text":"plain","none":null`)
	assert.Contains(t, out.String(), "a.user=ann a.password=••••")
}

type failed struct{ Login Login }

func (f failed) Error() string { return "login of " + f.Login.User + " with " + f.Login.Password }
