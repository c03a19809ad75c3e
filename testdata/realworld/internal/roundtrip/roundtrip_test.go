package roundtrip

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

type item struct {
	Name    string
	At      time.Time
	Tags    []string `json:",omitempty"`
	Raw     json.RawMessage
	Hidden  int `json:"-"`
	private int
}

type whole struct {
	Parts  []*item
	Byname map[string]item
	Inner  *whole `json:",omitempty"`
}

func TestWhatDiffersIsFoundAtItsPlace(t *testing.T) {
	at := time.Unix(1, 1).UTC()
	sent := func() *whole {
		return &whole{
			Parts:  []*item{{Name: "a", At: at, Tags: []string{}, private: 1}},
			Byname: map[string]item{"b": {Name: "b"}},
		}
	}
	got := sent()
	got.Parts[0].At = at.Local()
	got.Parts[0].Tags = nil
	got.Parts[0].Raw = json.RawMessage("null")
	got.Parts[0].private = 0
	assert.Empty(t, differences(sent(), got), "what JSON and the tags make of it")

	for place, change := range map[string]func(*whole){
		"roundtrip.item.Name":    func(w *whole) { w.Parts[0].Name = "c" },
		"roundtrip.item.At":      func(w *whole) { w.Parts[0].At = at.Truncate(time.Second) },
		"roundtrip.item.Tags":    func(w *whole) { w.Parts[0].Tags = []string{"x"} },
		"roundtrip.item.Hidden":  func(w *whole) { w.Byname["b"] = item{Name: "b", Hidden: 1} },
		"roundtrip.whole.Parts":  func(w *whole) { w.Parts = nil },
		"roundtrip.whole.Byname": func(w *whole) { w.Byname = map[string]item{"c": {}} },
		"roundtrip.whole.Inner":  func(w *whole) { w.Inner = &whole{} },
	} {
		got := sent()
		change(got)
		found := differences(sent(), got)
		if assert.Len(t, found, 1, place) {
			assert.Equal(t, place, found[0].place)
		}
	}
}

func TestRandomValuesFillAllFieldsAndEnd(t *testing.T) {
	filled := make(map[string]bool)
	for seed := range uint64(20) {
		var w whole
		f := filler{r: rand.New(rand.NewPCG(seed, 0))}
		f.value(reflect.ValueOf(&w).Elem(), budget)
		for _, p := range w.Parts {
			v := reflect.ValueOf(p).Elem()
			for i := range v.NumField() {
				filled[v.Type().Field(i).Name] = filled[v.Type().Field(i).Name] || !v.Field(i).IsZero()
			}
		}
	}
	assert.Equal(t, map[string]bool{"Name": true, "At": true, "Tags": true, "Raw": true, "Hidden": false, "private": false}, filled)
}

func TestTypesAreKnownByWhatTheyHold(t *testing.T) {
	for _, s := range []Suite{
		{Told: map[string]string{"roundtrip.item.Name": "why"}},
		{Told: map[string]string{"json.RawMessage": "why"}},
		{Values: map[reflect.Type]func(*rand.Rand) any{reflect.TypeFor[time.Time](): nil, reflect.TypeFor[item](): func(*rand.Rand) any { return item{} }}},
	} {
		assert.True(t, s.knows(reflect.TypeFor[whole](), make(map[reflect.Type]bool)))
		assert.False(t, s.knows(reflect.TypeFor[map[string]*int](), make(map[reflect.Type]bool)))
	}
}
