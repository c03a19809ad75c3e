package terminal_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
)

func TestATextIsBrokenBetweenWords(t *testing.T) {
	const text = "the oldest ready task has waited for 10m0s\nsecond line"
	assert.Equal(t, []string{"the oldest ready task", "has waited for 10m0s", "second line"}, terminal.Wrap(text, 21))
	assert.Equal(t, []string{"the oldest ready task has waited for 10m0s", "second line"}, terminal.Wrap(text, 0), "there is no terminal")
	assert.Equal(t, []string{"  indented text that", "goes on"}, terminal.Wrap("  indented text that goes on", 20))
}

func TestAWordThatIsTooLongIsBrokenAndWhole(t *testing.T) {
	word := strings.Repeat("wörd", 30)
	lines := terminal.Wrap("a "+word, 40)
	for _, line := range lines {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 40, line)
	}
	assert.Equal(t, "a"+word, strings.Join(lines, ""))
}
