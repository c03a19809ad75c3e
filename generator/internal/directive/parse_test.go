package directive

import (
	"fmt"
	"go/ast"
	"go/types"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

var here = model.Pos{File: "p.go", Line: 7, Column: 3}

func TestValuesHaveTheTypeOfTheirKind(t *testing.T) {
	for text, want := range map[string]any{
		"task name=a.b":                       "a.b",
		"task queue=q-1_X":                    "q-1_X",
		"task timeout=1h30m":                  90 * time.Minute,
		"queue name=q retention=14d":          14 * 24 * time.Hour,
		"queue name=q retention=1d12h":        36 * time.Hour,
		"queue name=q retention=0.5d":         12 * time.Hour,
		"task priority=0":                     0,
		"task aliases=a,b":                    []string{"a", "b"},
		"unique by=Text,Model":                []string{"Text", "Model"},
		"retry factor=1.5":                    1.5,
		"retry jitter=0":                      0.0,
		"retry backoff=linear":                "linear",
		"task rate=100/s":                     model.Rate{Limit: 100, Per: time.Second},
		"task rate=5/1m30s":                   model.Rate{Limit: 5, Per: 90 * time.Second},
		"task rate=1000/d":                    model.Rate{Limit: 1000, Per: 24 * time.Hour},
		`schedule cron="0 6 * * mon-fri"`:     "0 6 * * mon-fri",
		"schedule cron=`0 6 * * *`":           "0 6 * * *",
		`schedule "cron=0 6 * * *"`:           "0 6 * * *",
		`schedule cron="@every 1h\u006d"`:     "@every 1hm",
		"retry none":                          nil,
		"task  \t timeout=1s":                 time.Second,
		"task timeout=1s\u00a0":               time.Second,
		"queue name=q type=fifo":              "fifo",
		"queue name=q max_deliveries=1000":    1000,
		"queue name=q dlq=dead visibility=1s": time.Second,
	} {
		d, diags := parse(here, "//taskgen:"+text)
		require.Empty(t, diags, text)
		require.NotNil(t, d, text)
		last := d.Args[len(d.Args)-1]
		assert.Equal(t, want, last.Value, text)
		assert.Same(t, &d.Args[len(d.Args)-1], d.Arg(last.Key.Name))
	}
}

func TestArgumentsKnowTheirPlaces(t *testing.T) {
	const text = `//taskgen:schedule  cron="0 6 * * *" tz=Europe/Berlin`
	d, diags := parse(here, text)
	require.Empty(t, diags)
	assert.Equal(t, model.Span{Pos: here, End: here.Column + len(text)}, d.Span)
	for _, a := range d.Args {
		from, to := a.Span.Column-here.Column, a.Span.End-here.Column
		assert.Equal(t, a.Key.Name+"=", text[from:from+len(a.Key.Name)+1])
		assert.Equal(t, here.Line, a.Span.Line)
		assert.True(t, to == len(text) || text[to] == ' ')
	}
}

func TestOtherCommentsAreNoDirectives(t *testing.T) {
	for _, text := range []string{
		"", "//", "// text", "//go:generate taskgen", "//nolint:taskgen", "/* taskgen */", "// taskgen: prose",
		"//\t//taskgen:task queue=q", "//  taskgen:task as an example", "// taskgen:", "//taskgen:", "// see taskgen:task",
		"// taskgen:frobnicate is no directive", "taskgen:task", "//taskgenerator:task",
	} {
		d, diags := parse(here, text)
		assert.Nil(t, d, text)
		assert.Empty(t, diags, text)
	}
}

func TestValueOfWhatIsNotGiven(t *testing.T) {
	_, ok := Value[string](nil, "name")
	assert.False(t, ok)
	d, _ := parse(here, "//taskgen:task timeout=bad")
	_, ok = Value[time.Duration](d, "timeout")
	assert.False(t, ok, "a value in error is none")
	assert.NotNil(t, d.Arg("timeout"), "and yet the key is given")
	_, ok = Value[string](d, "queue")
	assert.False(t, ok)
}

// Each example of the table parses, and so the reference tells the truth.
func TestAnAllowHasARuleAndAReason(t *testing.T) {
	d, diags := parse(here, "//taskgen:allow FIELD_LOST  a tree, \"really\"; key=value ")
	require.Empty(t, diags)
	r, _ := Value[*rule.Rule](d, "rule")
	assert.Equal(t, rule.FieldLost, r)
	reason, _ := Value[string](d, "reason")
	assert.Equal(t, `a tree, "really"; key=value`, reason)
	for text, want := range map[string]string{
		"//taskgen:allow":                             "KEY_MISSING //taskgen:allow needs a rule",
		"//taskgen:allow FIELD_LOST":                  "KEY_MISSING //taskgen:allow needs a reason",
		"//taskgen:allow FIELD_LOST -":                "VALUE_MALFORMED -: this is not a reason",
		"//taskgen:allow FIELD_LOTS a tree":           "ALLOW_RULE FIELD_LOTS: there is no such rule",
		"//taskgen:allow FIELD_KIND it is a channel":  "ALLOW_RULE FIELD_KIND: an error cannot be allowed",
		"//taskgen:allow ALLOW_UNUSED for the future": "ALLOW_RULE ALLOW_UNUSED: this rule cannot be allowed",
	} {
		_, diags := parse(here, text)
		var got []string
		for _, d := range diags {
			got = append(got, d.Rule+" "+d.Message)
		}
		assert.Contains(t, got, want, text)
		assert.NotEmpty(t, diags[0].Fix)
	}
	_, diags = parse(here, "//taskgen:allow FIELD_LOTS a tree")
	assert.Equal(t, "did you mean FIELD_LOST?", diags[0].Fix)
}

func TestTheNameOfAnOwnerMayBeAnImportPath(t *testing.T) {
	d, diags := parse(here, "//taskgen:schedules owner=example.com/shop/v2 aliases=shop,gopkg.in/x.v1/~a+b")
	require.Empty(t, diags)
	aliases, _ := Value[[]string](d, "aliases")
	assert.Equal(t, []string{"shop", "gopkg.in/x.v1/~a+b"}, aliases)
	for _, text := range []string{`owner="a b"`, `owner="a\n"`, `owner=""`, `aliases=a,,b`, `aliases=a,a`, `owner="\x01"`, "owner=a,b"} {
		_, diags := parse(here, "//taskgen:schedules "+text)
		assert.Len(t, diags, 1, text)
	}
}

func TestExamplesOfTheTableParse(t *testing.T) {
	for i := range table {
		s := &table[i]
		d, diags := parse(here, s.Example)
		assert.Empty(t, diags, s.Example)
		require.NotNil(t, d)
		assert.Equal(t, s, d.Spec)
		assert.NotEmpty(t, s.Doc)
		for _, k := range s.Keys {
			if k.Positional { // cannot stand without those before it
				assert.Contains(t, s.Example, k.Example)
				assert.NotEmpty(t, k.Doc)
				continue
			}
			_, diags := parse(here, "//taskgen:"+s.Name+" "+k.Example)
			for _, d := range diags {
				assert.Equal(t, rule.KeyMissing.ID, d.Rule, "%s: %s", k.Example, d.Message)
			}
			assert.True(t, strings.HasPrefix(k.Example, k.Name), k.Example)
			assert.NotEmpty(t, k.Doc)
			assert.True(t, k.Required || k.Kind == kindWord || k.Default != "", "%s.%s has no default", s.Name, k.Name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for i := range table {
		f.Add(table[i].Example)
		for _, k := range table[i].Keys {
			f.Add("//taskgen:" + table[i].Name + " " + k.Example)
		}
	}
	for _, text := range []string{"//taskgen:tsk", "// taskgen:task", "/*taskgen:task*/", `//taskgen:task name="`, "//taskgen:task =", "//taskgen:task a=`b`c", "//taskgen:retry none max=1 max=2", "//taskgen:task timeout=1d\x00", "//taskgen:unique by=\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\n\r") && strings.HasPrefix(text, "//") {
			return // no line comment
		}
		d, diags := parse(here, text)
		for _, di := range diags {
			requireGood(t, text, di)
		}
		if d == nil {
			return
		}
		requireInside(t, text, d.Span)
		seen := make(map[string]bool)
		for _, a := range d.Args {
			requireInside(t, text, a.Span)
			if seen[a.Key.Name] {
				t.Fatalf("%q: %s is kept twice", text, a.Key.Name)
			}
			seen[a.Key.Name] = true
			if a.Value == nil && a.Key.Kind != kindWord && len(diags) == 0 {
				t.Fatalf("%q: %s has no value, and nothing is said", text, a.Key.Name)
			}
		}
	})
}

func requireGood(t *testing.T, text string, d diag.Diagnostic) {
	t.Helper()
	if _, ok := rule.Find(d.Rule); !ok || d.Message == "" || d.Fix == "" {
		t.Fatalf("%q: rule, message or fix is missing: %+v", text, d)
	}
	requireInside(t, text, model.Span{Pos: d.Pos, End: d.End})
}

func requireInside(t *testing.T, text string, s model.Span) {
	t.Helper()
	from, to := s.Column-here.Column, s.End-here.Column
	if s.File != here.File || s.Line != here.Line || from < 0 || to < from || to > len(text) {
		t.Fatalf("%q: %d to %d is not inside", text, from, to)
	}
	if utf8.ValidString(text) && (!utf8.RuneStart((text + "x")[from]) || !utf8.RuneStart((text + "x")[to])) {
		t.Fatalf("%q: %d to %d cuts a character", text, from, to)
	}
}

func TestATypeMayBearItsImportPath(t *testing.T) {
	for text, want := range map[string]string{
		"Embedding":                               "Embedding",
		"*other.Result":                           "*other.Result",
		"example.com/x/model.Embedding":           "example.com/x/model.Embedding",
		"map[string][]*example.com/x-y/v2/m.T":    "map[string][]*example.com/x-y/v2/m.T",
		"gopkg.in/yaml.v3.Node":                   "gopkg.in/yaml.v3.Node",
		"a.Page[example.com/x/m.T,encoding/j.U]":  "a.Page[example.com/x/m.T, encoding/j.U]",
		"example.com/3d/~me/cube.Größe":           "example.com/3d/~me/cube.Größe",
		"example.com/x/model":                     "",
		"example.com/.../model.T":                 "",
		"../model.T":                              "",
		"example.com/x/../model.T":                "",
		"example.com/x/model.T)":                  "",
		"example.com/x/model.T //go:build ignore": "example.com/x/model.T", // a comment, to Go
	} {
		expr, ok := goType(text)
		if want == "" {
			if ok { // an expression, and no type: Eval says so
				assert.NotContains(t, types.ExprString(expr), "..", text)
				assert.IsNotType(t, &ast.SelectorExpr{}, expr, text)
			}
			continue
		}
		if assert.True(t, ok, text) {
			assert.Equal(t, want, types.ExprString(expr))
		}
	}
}

// A line of any length takes time that grows with it.
func TestALongLineIsRead(t *testing.T) {
	for _, text := range []string{
		"//taskgen:task " + strings.Repeat("name=x ", 50_000),
		"//taskgen:task " + strings.Repeat("k=1 ", 50_000),
		"//taskgen:task x=" + strings.Repeat(`"`, 200_000),
		"//taskgen:task result=" + strings.Repeat("a/b.T,", 50_000),
	} {
		_, diags := parse(here, text)
		assert.NotEmpty(t, diags)
	}
	var aliases []string
	for i := range 50_000 {
		aliases = append(aliases, fmt.Sprint("a", i))
	}
	d, diags := parse(here, "//taskgen:task aliases="+strings.Join(aliases, ","))
	require.Empty(t, diags)
	assert.Len(t, d.Args[0].Value, 50_000)
}
