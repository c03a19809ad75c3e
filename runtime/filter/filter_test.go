package filter_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/filter"
)

var now = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// mail is a dead task.
var mail = filter.Facts{
	ID: "m-17", Type: "email", Queue: "mails", State: "dead", Since: now.Add(-90 * time.Minute), Due: now.Add(-2 * time.Hour),
	Retries: 3, MaxRetries: 3, Runs: 4, Redrives: 1, Priority: 2, Group: "0a1b2c3d4e5f", GroupKey: "acme", UniqueKey: "email:17",
	Error: `dial 10.0.0.1:25: Timeout after 3 s`, Payload: `{"to":"Ada@example.com","password":"••••"}`, Metadata: map[string]string{"tenant": "acme", "odd key:": "x"},
}

func TestATermHoldsOrNot(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "  \t": true,
		"id:m-17": true, "id:m-1": false, "id~M-1": true, "id:m-16,m-17": true,
		"type:email": true, "type:Email": false, "type:sms,email": true, "-type:email": false, "-type:sms,push": true,
		"queue:mails": true, "state:dead": true, "state:ready,dead": true, "state:ready": false, "-state:leased": true,
		"age>1h": true, "age>1.5h": false, "age>=1h30m": true, "age<2d": true, "age<=90m": true, "age<90m": false, "-age>1h": false,
		"due<0s": true, "due<=-2h": true, "due>-1h": false, "due<2026-03-01T06:00:01Z": true, "due>2026-03-01T08:00:00+02:00": false,
		"retry_count:3": true, "retries:3": true, "retries>=4": false, "retries<4": true, "retries:1,3": true, "max_retries>3": false, "runs:4": true, "redrives:1": true, "redrive_count>1": false, "priority:2": true,
		"group:0a1b2c3d4e5f": true, "group_key:acme": true, "unique_key:email:17": true, `unique_key:""`: false,
		"error~timeout": true, "error~TIMEOUT": true, `error~"after 3"`: true, "error:timeout": false, "-error~refused": true,
		"payload~ada@example": true, "text~timeout": true, "timeout": true, "ada": true, "M-17": true, `"after 3 s"`: true, "-timeout": false, "acme": false,
		"meta.tenant:acme": true, "meta.tenant~AC": true, "meta.tenant:other": false, "meta.none:x": false, "-meta.none:x": true, `meta."odd key:":x`: true,
		"type:email state:dead age>1h error~timeout": true, "type:email state:dead age>1h error~refused": false,
	} {
		f, err := filter.Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, f.Matches(&mail, now), text)
		again, err := filter.Parse(f.String())
		require.NoError(t, err, "%s: %s", text, f)
		assert.Equal(t, f, again, text)
		assert.Equal(t, f.String(), again.String())
	}
}

func TestWhatIsUnknownHoldsNoComparison(t *testing.T) {
	for _, text := range []string{"age>0s", "age<1h", "due<1h", "due>-1h"} {
		f, err := filter.Parse(text)
		require.NoError(t, err)
		assert.False(t, f.Matches(&filter.Facts{}, now), text)
	}
}

func TestAnErrorSaysWhereAndHowToMendIt(t *testing.T) {
	for text, want := range map[string]string{
		"type:email stat:dead": `column 12: there is no field "stat": did you mean "state"?`,
		"typ:email":            `column 1: there is no field "typ": did you mean "type"?`,
		"xyzzy:1":              `column 1: there is no field "xyzzy": the fields are id, type,`,
		"http://x":             `put it in quotes`,
		"ä ü age>soon":         `column 9: age is compared with a duration such as 90s, 1h or 2d, not with "soon"`,
		"age:1h":               `column 4: age knows no ":": it is compared by > >= < <=`,
		"type>a":               `column 5: type knows no ">": it is compared by : ~`,
		"text:a":               `column 5: text knows no ":"`,
		"state:ded":            `column 7: there is no state "ded": it is ready, scheduled, leased, dead; did you mean dead?`,
		"state~dead":           `state knows no "~"`,
		"retries>many":         `column 9: retry_count is compared with a whole number, not with "many"`,
		"due<soon":             `column 5: due is compared with a duration from now such as 1h, or with a time`,
		"type:":                `column 6: a value is missing behind type:`,
		"type:a,":              `column 8: a value is missing`,
		"type:,a":              `column 6: a value is missing`,
		":a":                   `column 1: a field stands before ":"`,
		"-":                    `column 1: a word or a field follows the -`,
		`"a`:                   `column 1: the quote does not end`,
		`error~"a\n"`:          `column 9: in quotes a backslash`,
		`type:a"b"`:            `column 7: a space follows a value`,
		`"a"b`:                 `column 4: a space follows a word in quotes`,
		`a"b"`:                 `column 2: a quote stands at the beginning of a value`,
		`"a":b`:                `column 1: the name of a field has no quotes`,
		`meta:x`:               `column 1: meta has the name of a metadata behind it`,
		`meta.:x`:              `column 1: meta. has the name of a metadata behind it`,
		`meta."a"`:             `column 9: an operator and a value follow the name of a metadata`,
		"\xff":                 `column 1: the text is not UTF-8`,
	} {
		_, err := filter.Parse(text)
		require.ErrorContains(t, err, want, text)
		require.ErrorIs(t, err, filter.ErrInvalid)
		var at *filter.Error
		require.True(t, errors.As(err, &at))
		assert.Positive(t, at.Column)
	}
}

func TestAFilterNamesItsStates(t *testing.T) {
	for text, want := range map[string][]string{"": nil, "-state:dead": nil, "state:ready,dead -state:leased": {"ready", "dead"}} {
		f, err := filter.Parse(text)
		require.NoError(t, err)
		assert.Equal(t, want, f.States(), text)
	}
}

// The payload that a filter gets has no secrets: the guide promises that none can be guessed.
func TestTheExamplesOfTheGuideAreFilters(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "filter.md"))
	require.NoError(t, err)
	found := 0
	for _, block := range regexp.MustCompile("(?ms)^```text\n(.*?)^```$").FindAllSubmatch(page, -1) {
		for line := range strings.Lines(string(block[1])) {
			_, err := filter.Parse(strings.TrimSpace(line))
			require.NoError(t, err, line)
			found++
		}
	}
	for _, code := range regexp.MustCompile("(?m)^\\| .* \\| `([^`]+)` \\|$").FindAllSubmatch(page, -1) {
		_, err := filter.Parse(string(code[1]))
		require.NoError(t, err, string(code[1]))
		found++
	}
	assert.Greater(t, found, 20)
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"type:email,sms state:dead age>1h error~timeout", `-meta."a b"~"x\"y\\" due<=2026-03-01T08:00:00Z`, `"a, b" -c`, "retries>=3 unique_key:\"\"", "--a", "meta.a:b,c",
		"ä\u00a0ö", `id:"`, "age<-1d", "-", ":", `a"`, "\\",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := filter.Parse(text)
		if err != nil {
			var at *filter.Error
			require.True(t, errors.As(err, &at))
			require.LessOrEqual(t, at.Column, len([]rune(text))+1)
			return
		}
		again, err := filter.Parse(parsed.String())
		require.NoError(t, err, "%q became %q", text, parsed)
		require.Equal(t, parsed, again, "%q became %q", text, parsed)
		require.Equal(t, parsed.Matches(&mail, now), again.Matches(&mail, now))
	})
}
