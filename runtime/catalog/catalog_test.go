package catalog_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/catalog"
	"github.com/taskgen/taskgen/runtime/fleet"
)

// described is the description of a spec, as a worker publishes it, after a store has kept it.
func described[T any](t *testing.T, spec *runtime.Spec[T]) fleet.Type {
	t.Helper()
	p := spec.Policy()
	d := fleet.Type{
		Name: p.Type, Aliases: p.Aliases, Queue: p.Queue, Schema: p.Schema, Shape: p.Shape, Secrets: p.Secrets, Timeout: p.Timeout, MaxRetries: p.Retry.Max,
		Retry:     fleet.Retry{Backoff: string(p.Retry.Backoff), Base: p.Retry.Base, Cap: p.Retry.Cap, Factor: p.Retry.Factor, Jitter: p.Retry.Jitter},
		Retention: p.Retention, Template: p.Template,
	}
	data, err := d.Encode()
	require.NoError(t, err)
	var kept fleet.Type
	require.NoError(t, kept.Decode(data))
	return kept
}

type (
	level  int8
	label  string
	Point  struct{ X, Y float64 }
	Signed struct {
		By   label     `json:"by"`
		When time.Time `json:"when"`
	}
	base struct {
		Trace string `json:"trace,omitempty"`
		Shade string
	}
	node struct {
		Name string `json:"name"`
		Next *node  `json:"next,omitempty"`
	}
	odd struct{ text string }
)

func (o *odd) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &o.text) }
func (o odd) MarshalJSON() ([]byte, error)     { return json.Marshal(o.text) }

type order struct {
	base
	*Signed
	ID       uuid.UUID           `json:"id"`
	Customer label               `json:"customer"`
	Level    level               `json:"level,omitempty"`
	Count    uint32              `json:"count,string"`
	Price    float32             `json:"price"`
	Paid     bool                `json:"paid"`
	At       time.Time           `json:"at,omitzero"`
	Wait     time.Duration       `json:"wait"`
	Data     []byte              `json:"data"`
	Raw      json.RawMessage     `json:"raw,omitempty"`
	Number   json.Number         `json:"number"`
	Any      any                 `json:"any"`
	Address  *netip.Addr         `json:"address"`
	Sum      *big.Int            `json:"sum"`
	Points   [2]Point            `json:"points"`
	By       map[level][]*Signed `json:"by_level"`
	Nodes    node                `json:"nodes"`
	Odd      odd                 `json:"odd"`
	Odds     []odd               `json:"odds"`
	Shade    int
	Skipped  func() `json:"-"`
}

var orderSpec = runtime.Spec[order]{
	Type: "order", Queue: "orders", Timeout: time.Minute, Priority: 2, SchemaVersion: 3, Shape: "0123456789ab", Retry: runtime.RetryPolicy{Max: 4},
	UniqueKey: func(o *order) string { return runtime.KeyOf(&o.ID, &o.At, &o.Customer, &o.Price, &o.Points, &o.Trace) }, UniqueFor: time.Hour,
	UniqueBy: []string{"id", "at", "customer", "price", "points", "trace"},
	GroupKey: func(o *order) string { return string(o.Customer) }, GroupBy: "customer",
}

// TestATaskIsThatOfTheSpec compares what a Spec and its description make of the same JSON.
func TestATaskIsThatOfTheSpec(t *testing.T) {
	d, err := catalog.New(described(t, &orderSpec))
	require.NoError(t, err)
	now := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	for _, payload := range []string{
		`{"odd":"x"}`,
		`{"id":"URN:UUID:6BA7B810-9DAD-11D1-80B4-00C04FD430C8","customer":"<ada&bob>","odd":"x"}`,
		`{"id":"6ba7b8109dad11d180b400c04fd430c8","at":"2026-12-01T09:00:00.500000+01:00","price":1.10,"odd":"x"}`,
		`{"at":"2026-12-01T09:00:00+00:00","points":[{"X":1e2,"Y":-0.0},{}],"trace":"\u00e9\u2028","odd":"x"}`,
		`{"CUSTOMER":"ada","customer":"bob","count":"7","level":-3,"paid":true,"wait":90,"data":"AAE=","odd":"x"}`,
		`{"raw":{ "b": 1, "a": [ ] },"number":1.50,"any":{"b":1234567890,"a":null},"odd":"x"}`,
		`{"address":"::ffff:1.2.3.4","sum":123456789012345678901234567890,"odd":"x"}`,
		`{"by":"me","when":"2026-12-01T09:00:00Z","by_level":{"-1":[null,{"by":"x","when":"2026-12-01T09:00:00Z"}],"2":null},"odd":"x"}`,
		`{"nodes":{"name":"a","next":{"name":"b"}},"odd":"x","odds":["y"],"Shade":3}`,
		`{"customer":"\ud800","price":3.4028235e38,"odd":"x"}`,
		` null `,
	} {
		opts := []runtime.EnqueueOption{runtime.WithDelay(time.Second), runtime.WithMetadata("a", "b")}
		want, err := orderSpec.NewTaskJSON([]byte(payload), now, opts...)
		require.NoError(t, err, payload)
		got, err := d.NewTaskJSON([]byte(payload), now, opts...)
		require.NoError(t, err, payload)
		sameTask(t, want, got, payload)
	}
}

// sameTask compares tasks but for members that only the type's code writes, when it leaves them
// out.
func sameTask(t *testing.T, want, got *runtime.Task, about string) {
	t.Helper()
	canonical := func(payload []byte) string {
		var o order
		require.NoError(t, json.Unmarshal(payload, &o))
		data, err := json.Marshal(o)
		require.NoError(t, err)
		return string(data)
	}
	assert.Equal(t, canonical(want.Payload), canonical(got.Payload), about)
	assert.Equal(t, want.UniqueKey, got.UniqueKey, about)
	for _, pair := range [][2]any{
		{want.GroupKey, got.GroupKey},
		{want.UniqueFor, got.UniqueFor},
		{want.Timeout, got.Timeout},
		{want.MaxRetries, got.MaxRetries},
		{want.Priority, got.Priority},
		{want.SchemaVersion, got.SchemaVersion},
		{want.Shape, got.Shape},
		{want.Metadata, got.Metadata},
		{want.Queue, got.Queue},
		{want.Type, got.Type},
		{want.CreatedAt, got.CreatedAt},
		{want.ScheduledFor, got.ScheduledFor},
	} {
		assert.Equal(t, pair[0], pair[1], about)
	}
}

// TestAPayloadThatTheTypeCannotReadIsRefused is about payloads that JSON Schema lets through.
func TestAPayloadThatTheTypeCannotReadIsRefused(t *testing.T) {
	d, err := catalog.New(described(t, &orderSpec))
	require.NoError(t, err)
	for _, payload := range []string{
		`{"wait":1.0}`, `{"wait":1e2}`, `{"level":128}`, `{"price":1e39}`, `{"at":"2026-12-01t09:00:00z"}`, `{"other":1}`, `{"nodes":{"other":1}}`,
		`{"count":7}`, `{"data":"?"}`, `{"id":"1"}`, `{} {}`, `{`, ``, `[]`,
		`{"any":12345678901234567890}`, `{"any":9007199254740993}`, `{"any":1152921504606846976}`, `{"any":{"a":[-9007199254740993]}}`, // no float64 holds them
	} {
		_, err := orderSpec.NewTaskJSON([]byte(payload), time.Now())
		require.ErrorIs(t, err, runtime.ErrInvalidTask, payload)
		_, err = d.NewTaskJSON([]byte(payload), time.Now())
		require.ErrorIs(t, err, runtime.ErrInvalidTask, payload)
	}
}

func TestAnErrorQuotesNoSecret(t *testing.T) {
	spec := runtime.Spec[map[string]int]{Type: "pins", Queue: "q", Secrets: []string{"/*"}}
	d, err := catalog.New(described(t, &spec))
	require.NoError(t, err)
	for _, payload := range []string{`{"s3cret":"s3cret"}`, `{"a":s3cret}`, `{"a":1} s3cret`, `"s3cret"`} {
		_, err := d.NewTaskJSON([]byte(payload), time.Now())
		require.ErrorIs(t, err, runtime.ErrInvalidTask, payload)
		assert.NotContains(t, err.Error(), "s3cret")
	}
}

// A keyed type has keys by functions alone.
type keyed struct {
	Odd  odd    `json:"odd"`
	Name string `json:"name"`
	Size float64
}

type codec struct{ runtime.Codec }

func TestATypeOfWhichNoTaskCanBeMadeSaysWhy(t *testing.T) {
	key := func(k *keyed) string { return runtime.KeyOf(&k.Odd) }
	for why, spec := range map[string]runtime.Spec[keyed]{
		"codec of their own": {Codec: codec{runtime.JSON}},
		"no UniqueBy":        {UniqueKey: key},
		"no GroupBy":         {GroupKey: key},
		"only the code of github.com/taskgen/taskgen/runtime/catalog_test.odd": {UniqueKey: key, UniqueBy: []string{"odd"}},
		`no member "none"`: {UniqueKey: key, UniqueBy: []string{"none"}},
		"neither a text":   {GroupKey: key, GroupBy: "Size"},
	} {
		spec.Type = "keyed"
		_, err := catalog.New(described(t, &spec))
		require.ErrorIs(t, err, catalog.ErrRefused, why)
		assert.ErrorContains(t, err, why)
	}
	old := described(t, &orderSpec)
	old.Template = nil
	_, err := catalog.New(old)
	require.ErrorIs(t, err, catalog.ErrRefused)
	assert.ErrorContains(t, err, "older version")
	next := described(t, &orderSpec)
	next.Template.Version++
	_, err = catalog.New(next)
	require.ErrorIs(t, err, catalog.ErrRefused)
	assert.ErrorContains(t, err, "update it")
}

// TestADescriptionThatNoWorkerPublishesIsAnError is about a store that anybody may write.
func TestADescriptionThatNoWorkerPublishesIsAnError(t *testing.T) {
	for _, shape := range []string{
		`{"kind":"array","len":1099511627776,"elem":{"kind":"int8"}}`,
		`{"kind":"array","len":-1,"elem":{"kind":"int8"}}`,
		`{"kind":"array","len":1048577,"elem":{"kind":"struct"}}`,
		`{"kind":"slice"}`, `{"kind":"chan"}`, `{"kind":"map","key":"float64","elem":{"kind":"int"}}`,
		`{"kind":"struct","fields":[{"name":"lower","shape":{"kind":"int"}}]}`,
		`{"kind":"struct","fields":[{"name":"A","shape":{"kind":"int"}},{"name":"A","shape":{"kind":"int"}}]}`,
		`{"kind":"struct","fields":[{"shape":{"kind":"int"}}]}`,
		`{"kind":"struct","fields":[{"shape":{"kind":"code","type":"time.Time"}}]}`,
	} {
		var d fleet.Type
		require.NoError(t, d.Decode([]byte(`{"name":"bad","template":{"version":1,"payload":`+shape+`}}`)))
		_, err := catalog.New(d)
		require.ErrorIs(t, err, catalog.ErrRefused, shape)
	}
	var d fleet.Type
	require.NoError(t, d.Decode([]byte(`{"name":"bad","template":{"version":1,"required":["b"],"payload":{"kind":"struct"}}}`)))
	_, err := catalog.New(d)
	require.ErrorIs(t, err, catalog.ErrRefused)
}

type filled struct {
	Name string         `json:"name"`
	List []int          `json:"list"`
	At   time.Time      `json:"at"`
	Rate float64        `json:"rate"`
	Map  map[string]int `json:"map"`
}

func TestARequiredFieldMayNotBeZero(t *testing.T) {
	const whole = `"name":"a","list":[1],"at":"2026-12-01T09:00:00Z","rate":1,"map":{"a":1}`
	for _, name := range []string{"name", "list", "at", "rate", "map"} {
		// Validate itself stays with the code: the names stand for what it does.
		spec := runtime.Spec[filled]{Type: "filled", Required: []string{name}, Validate: func(*filled) error { return nil }}
		d, err := catalog.New(described(t, &spec))
		require.NoError(t, err)
		_, err = d.NewTaskJSON([]byte(`{`+whole+`}`), time.Now())
		require.NoError(t, err)
		zero := map[string]string{"name": `""`, "list": `[]`, "at": `"0001-01-01T00:00:00Z"`, "rate": `-0.0`, "map": `{}`}[name]
		for _, payload := range []string{`{}`, `{"` + name + `":` + zero + `}`} {
			_, err = d.NewTaskJSON([]byte(payload), time.Now())
			require.ErrorIs(t, err, runtime.ErrInvalidTask, payload)
			assert.ErrorContains(t, err, `needs "`+name+`"`)
		}
	}
}

// A guarded payload has a part that reads itself, and is required.
type guarded struct {
	Odd  odd   `json:"odd"`
	Odds []odd `json:"odds"`
}

func TestNullIsNoValueOfATypeThatReadsItself(t *testing.T) {
	spec := runtime.Spec[guarded]{Type: "guarded", Required: []string{"odd"}, Validate: func(g *guarded) error {
		if g.Odd == (odd{}) {
			return errors.New("it needs odd")
		}
		return nil
	}}
	d, err := catalog.New(described(t, &spec))
	require.NoError(t, err)
	for payload, ok := range map[string]bool{`{}`: false, `{"odd":null}`: false, `{"odd":"x"}`: true, `{"odd":"x","odds":[null]}`: true} {
		_, want := spec.NewTaskJSON([]byte(payload), time.Now())
		_, got := d.NewTaskJSON([]byte(payload), time.Now())
		assert.Equal(t, ok, want == nil, "the spec: %s: %v", payload, want)
		assert.Equal(t, ok, got == nil, "the description: %s: %v", payload, got)
	}
}

// TestKeysOfAFunctionThatIsNotThereAreNotMade is about a spec that names members alone.
func TestKeysOfAFunctionThatIsNotThereAreNotMade(t *testing.T) {
	spec := runtime.Spec[filled]{Type: "filled", UniqueBy: []string{"name"}, UniqueFor: time.Hour, GroupBy: "name", Required: []string{"name"}}
	d, err := catalog.New(described(t, &spec))
	require.NoError(t, err)
	want, err := spec.NewTaskJSON([]byte(`{}`), time.Unix(7, 0))
	require.NoError(t, err)
	got, err := d.NewTaskJSON([]byte(`{}`), time.Unix(7, 0))
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// An unsettable struct is embedded by a pointer that encoding/json cannot set.
type unsettable struct {
	*base
	Name string `json:"name"`
}

func TestWhatEncodingJSONCannotSetIsRefused(t *testing.T) {
	spec := runtime.Spec[unsettable]{Type: "unsettable"}
	d, err := catalog.New(described(t, &spec))
	require.NoError(t, err)
	for payload, ok := range map[string]bool{`{"name":"a"}`: true, `{"name":"a","trace":"b"}`: false, `{"Shade":"b"}`: false} {
		want, errWant := spec.NewTaskJSON([]byte(payload), time.Unix(7, 0))
		got, errGot := d.NewTaskJSON([]byte(payload), time.Unix(7, 0))
		require.Equal(t, ok, errWant == nil, "the spec: %s: %v", payload, errWant)
		require.Equal(t, ok, errGot == nil, "the description: %s: %v", payload, errGot)
		assert.Equal(t, want, got)
	}
}

// Wide types lead to each other in more ways than anybody can describe.
type (
	wide0 struct{ A, B, C, D, E, F, G, H *wide1 }
	wide1 struct{ A, B, C, D, E, F, G, H *wide2 }
	wide2 struct{ A, B, C, D, E, F, G, H *wide3 }
	wide3 struct{ A, B, C, D, E, F, G, H *wide4 }
	wide4 struct{ A, B, C, D, E, F, G, H *wide5 }
	wide5 struct{ A, B, C, D, E, F, G, H *wide6 }
	wide6 struct{ A, B, C, D, E, F, G, H *wide7 }
	wide7 struct{ A, B, C, D, E, F, G, H *wide8 }
	wide8 struct{ A, B, C, D, E, F, G, H *wide0 }
)

func TestATypeThatIsTooLargeToDescribeIsRefused(t *testing.T) {
	_, err := catalog.New(described(t, &runtime.Spec[wide0]{Type: "wide"}))
	require.ErrorIs(t, err, catalog.ErrRefused)
	assert.ErrorContains(t, err, "more than 10000 fields")
}
