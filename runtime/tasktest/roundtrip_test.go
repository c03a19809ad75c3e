package tasktest_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/generated"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

type node struct {
	Name     string         `json:"name,omitempty"`
	Children []*node        `json:"children"`
	Labels   map[int]string `json:"labels,omitempty"`
}

type base struct {
	Tenant string `json:"tenant"`
	hidden int
}

type level int

func (l level) MarshalText() ([]byte, error) {
	return []byte([]string{"low", "high"}[l]), nil
}

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 0
	case "high":
		*l = 1
	default:
		return fmt.Errorf("there is no level %q", text)
	}
	return nil
}

type good struct {
	base
	Text    string          `json:"text"`
	At      *time.Time      `json:"at"`
	Total   big.Int         `json:"total"`
	Raw     json.RawMessage `json:"raw"`
	Tree    node            `json:"tree"`
	Bytes   []byte          `json:"bytes,omitempty"`
	Numbers [3]float32      `json:"numbers"`
	Any     any             `json:"any"`
	Level   level           `json:"level"`
	Count   uint64          `json:"count,string"`
	private int
}

func TestWhatTravelsWholePasses(t *testing.T) {
	tasktest.RoundTrip(t, &runtime.Spec[good]{
		Type: "good", Queue: "q", Priority: 2, Retry: runtime.RetryPolicy{Max: 3}, UniqueFor: time.Hour,
		UniqueKey: func(g *good) string { return runtime.KeyOf(&g.Text, &g.Total) },
		Validate: func(g *good) error {
			if g.Text == "" {
				return generated.Missing("good", "text")
			}
			return nil
		},
	}, good{Text: "an example", private: 1, base: base{hidden: 1}})
	tasktest.RoundTrip(t, &runtime.Spec[node]{Type: "node", Queue: "q", GroupKey: func(n *node) string { return "g" }})
}

// A log is a test that keeps what it is told.
type log struct {
	testing.TB
	said []string
}

func (l *log) Errorf(format string, args ...any) {
	l.said = append(l.said, fmt.Sprintf(format, args...))
}

type shout string

func (s shout) MarshalText() ([]byte, error) { return []byte(strings.ToUpper(string(s))), nil }

func TestWhatDoesNotTravelWholeFails(t *testing.T) {
	for want, check := range map[string]func(testing.TB){
		"Text: sent": func(t testing.TB) {
			tasktest.RoundTrip(t, &runtime.Spec[struct{ Text shout }]{Type: "t"})
		},
		"Amounts": func(t testing.TB) {
			type amounts struct{ Amounts map[string]big.Int }
			tasktest.RoundTrip(t, &runtime.Spec[amounts]{Type: "t"}, amounts{map[string]big.Int{"a": *big.NewInt(42)}})
		},
		"List: sent": func(t testing.TB) {
			tasktest.RoundTrip(t, &runtime.Spec[struct{ List *[]int }]{Type: "t"})
		},
		"example 0": func(t testing.TB) {
			type hook struct{ URL url.URL }
			tasktest.RoundTrip(t, &runtime.Spec[hook]{Type: "t"}, hook{url.URL{User: url.User("ann")}})
		},
		"not decoded": func(t testing.TB) {
			tasktest.RoundTrip(t, &runtime.Spec[struct{ At named }]{Type: "t"})
		},
		"its codec panics": func(t testing.TB) {
			tasktest.RoundTrip(t, &runtime.Spec[struct{ Level never }]{Type: "t"})
		},
		"random payload": func(t testing.TB) {
			tasktest.RoundTrip(t, &runtime.Spec[node]{Type: "t", Validate: func(*node) error { return generated.Missing("t", "never") }})
		},
	} {
		l := &log{TB: t}
		check(l)
		assert.Contains(t, strings.Join(l.said, "\n"), want)
		if want != "example 0" {
			assert.Contains(t, strings.Join(l.said, "\n"), tasktest.SeedVariable, want)
		}
	}
}

type named *time.Time

// never has no value that it can write.
type never int

func (never) MarshalText() ([]byte, error) { panic("not one of mine") }

func (*never) UnmarshalText([]byte) error { return nil }
