package directive

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/rule"
)

func TestTheReferenceHoldsTheWholeTable(t *testing.T) {
	text, err := Explain("")
	require.NoError(t, err)
	flat := strings.Join(strings.Fields(text), " ")
	for _, s := range table {
		assert.Contains(t, flat, "//taskgen:"+s.Name)
		assert.Contains(t, flat, s.Doc)
		for _, k := range s.Keys {
			assert.Contains(t, flat, k.Example)
			assert.Contains(t, flat, k.Doc)
			assert.Contains(t, flat, k.Default)
		}
	}
	for _, tag := range tags {
		assert.Contains(t, flat, tag.Doc)
	}
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "//taskgen:") { // a directive is one line
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 81, line)
		}
	}
}

func TestExplainKnowsEveryTopic(t *testing.T) {
	for _, topic := range topics() {
		text, err := Explain(topic)
		require.NoError(t, err, topic)
		assert.NotEmpty(t, text, topic)
	}
	text, err := Explain("rules")
	require.NoError(t, err)
	for _, r := range rule.Rules() {
		assert.Contains(t, text, r.ID)
		one, err := Explain(strings.ToLower(r.ID))
		require.NoError(t, err)
		assert.Contains(t, strings.Join(strings.Fields(one), " "), "Why: "+r.Why)
	}
}

func TestATopicMayBeWrittenAsItStandsInTheSource(t *testing.T) {
	want, err := Explain("task.timeout")
	require.NoError(t, err)
	assert.Contains(t, want, "//taskgen:task timeout=2m")
	assert.NotContains(t, want, "defaults timeout")
	for _, topic := range []string{"task timeout", "//taskgen:task timeout"} {
		text, err := Explain(topic)
		require.NoError(t, err)
		assert.Equal(t, want, text)
	}
	both, err := Explain("timeout")
	require.NoError(t, err)
	assert.Contains(t, both, "//taskgen:task timeout=2m")
	assert.Contains(t, both, "//taskgen:defaults timeout=1m")
}

func TestAnUnknownTopicNamesTheNearest(t *testing.T) {
	_, err := Explain("timeut")
	require.ErrorContains(t, err, "did you mean timeout?")
	_, err = Explain("frobnicate")
	require.ErrorContains(t, err, "name a directive, a key, a tag or a rule")
}
