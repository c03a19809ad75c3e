package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/runtime"
)

func TestDelaysAreThoseOfTheRuntime(t *testing.T) {
	for _, r := range []model.Retry{
		{},
		{Base: 250 * time.Millisecond, Backoff: "constant"},
		{Base: 10 * time.Second, Backoff: "linear", Cap: time.Minute},
		{Backoff: "exponential", Factor: 1.5},
		{Factor: 100},
		{Base: time.Microsecond, Factor: 1.1},
	} {
		p := runtime.RetryPolicy{Backoff: runtime.Backoff(r.Backoff), Base: r.Base, Cap: r.Cap, Factor: r.Factor}
		for n := 1; n <= 1000; n++ {
			assert.InDelta(t, p.Delay(n, 0), delay(r, n), float64(time.Millisecond), "%+v, retry %d", r, n)
		}
	}
}

func TestRetriesInWords(t *testing.T) {
	for want, r := range map[string]model.Retry{
		"none": {},
		"1 after the first run, after a delay of 1s":                                                                                    {Max: 1},
		"3 after the first run, after delays of 10s, 20s and 25s, each of them ± 20 % and at most 25s":                                  {Max: 3, Backoff: "linear", Base: 10 * time.Second, Cap: 25 * time.Second, Jitter: 0.2},
		"20 after the first run, after delays of 1s, 2s, 4s, 8s, 16s, 32s, 1m4s, 2m8s and so on up to 1h":                               {Max: 20},
		"2 after the first run, after delays of 1d12h and 1d12h":                                                                        {Max: 2, Backoff: "constant", Base: 36 * time.Hour, Cap: 48 * time.Hour},
		"9 after the first run, after delays of 1h, 1h, 1h, 1h, 1h, 1h, 1h, 1h and so on up to 1h, each of them ± 100 % and at most 1h": {Max: 9, Base: time.Hour, Jitter: 1},
	} {
		assert.Equal(t, want, retries(r))
	}
}

// hostile is text that is markup if it is not escaped.
const hostile = "<script>alert(1)</script> | `x` **b** [a](javascript:x) <!-- --> &lt; \"' \n# h\n\n- l ${x} <img src=x onerror=y>"

func hostilePackage() *model.Package {
	value := model.Value{Kind: model.ObjectValue, Members: []model.Member{
		{Name: hostile, Doc: hostile, Value: model.Value{Kind: model.RefValue, Ref: "Part"}, Required: true, Secret: true},
		{Name: "o", Value: model.Value{Kind: model.ObjectValue, Members: []model.Member{{Name: "n", Value: model.Value{Kind: model.IntegerValue, Bits: 8}}}}},
	}}
	return &model.Package{
		Name: "p", Path: "example.com/p", Queues: []model.Queue{{Name: "q"}},
		Tasks: []model.Task{
			{
				Struct: "FooTask", Type: "foo.bar", Queue: "q", Doc: hostile, Timeout: time.Minute,
				Schedules: []model.Schedule{{Cron: "* * * * *", Payload: hostile}, {Cron: "@daily", Name: "n"}},
				Payload:   model.Payload{Value: value, Definitions: []model.Definition{{Name: "Part", Doc: hostile, Value: model.Value{Kind: model.TextValue}}}},
			},
			{Struct: "BareTask", Type: "bare", Queue: "q", Payload: model.Payload{Value: model.Value{Kind: model.ObjectValue}}},
		},
	}
}

func TestTextOfTheSourceIsTextOnThePage(t *testing.T) {
	doc, err := html.Parse(strings.NewReader(HTML(hostilePackage())))
	require.NoError(t, err)
	var text strings.Builder
	tags := make(map[string]int)
	for n := range doc.Descendants() {
		switch n.Type {
		case html.ElementNode:
			tags[n.Data]++
			for _, a := range n.Attr {
				assert.False(t, strings.HasPrefix(a.Key, "on") || a.Key == "src", "%s has %s", n.Data, a.Key)
				if a.Key == "href" {
					assert.True(t, strings.HasPrefix(a.Val, "#"), a.Val)
				}
			}
		case html.TextNode:
			text.WriteString(n.Data)
		}
	}
	for _, tag := range []string{"script", "img", "link", "iframe", "b"} {
		assert.Zero(t, tags[tag], tag)
	}
	assert.Equal(t, 3, tags["h2"], "two tasks and a queue")
	assert.Contains(t, text.String(), hostile)
	assert.Contains(t, text.String(), "o.n")
}

// A table of Markdown has the same cells in each row, whatever is in them.
func TestMarkdownKeepsItsTables(t *testing.T) {
	text := Markdown(hostilePackage())
	width := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			width = 0
			assert.NotContains(t, strings.TrimPrefix(line, "<!-- "+model.Mark("example.com/p")+" -->"), "<", line)
			continue
		}
		if width == 0 {
			width = strings.Count(line, "|")
		}
		assert.Equal(t, width, strings.Count(line, "|"), line)
		assert.NotContains(t, strings.ReplaceAll(line, "<br>", ""), "<", line)
	}
	assert.Contains(t, text, "&lt;script")
	assert.Contains(t, text, `\*\*b\*\*`)
	assert.Contains(t, text, `\- l`)
	assert.Contains(t, text, "[foo.bar](#task-foobar)")
	for _, path := range []string{Markdown(hostilePackage()), HTML(hostilePackage())} {
		by, ok := model.MarkedBy([]byte(path))
		assert.Equal(t, "example.com/p true", fmt.Sprint(by, " ", ok))
	}
}
