package terminal_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
)

func plain(_, text string) string { return text }

func letters() *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "ID", Shrinks: true}, terminal.Column{Name: "RUNS", Right: true},
		terminal.Column{Name: "ERROR", Shrinks: true}, terminal.Column{Name: "GROUP", Optional: true}, terminal.Column{Name: "LAST", Optional: true},
	)
	t.Row("a-rather-long-identifier-of-a-task", 3, strings.Repeat("no answer ", 6), "0a1b2c3d", "yesterday")
	t.Row("b", 12, "timeout", "ffffffff", "today")
	return t
}

func TestATableIsWholeWhereThereIsNoTerminal(t *testing.T) {
	lines := letters().Lines(0, plain)
	require.Len(t, lines, 3)
	assert.Equal(t, "b                                     12  timeout                                                      ffffffff  today", lines[2])
	assert.Contains(t, lines[1], strings.TrimSpace(strings.Repeat("no answer ", 6)))
}

func TestANarrowTableLeavesOutColumnsAndCutsTextsOff(t *testing.T) {
	for _, width := range []int{200, 80, 60, 36} {
		for _, line := range letters().Lines(width, plain) {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), width, line)
		}
	}
	narrow := letters().Lines(36, plain)
	assert.NotContains(t, narrow[0], "LAST")
	assert.NotContains(t, narrow[0], "GROUP")
	assert.Contains(t, narrow[1], "…")
	assert.Contains(t, letters().Lines(200, plain)[0], "LAST")
}

func TestColoursTakeNoRoom(t *testing.T) {
	marked := func(color, text string) string {
		if color == "" {
			return text
		}
		return "<" + color + ">" + text + "</>"
	}
	table := terminal.NewTable(terminal.Column{Name: "A"}, terminal.Column{Name: "B"})
	table.Row(terminal.Cell{Text: "x", Color: terminal.Red}, "y")
	assert.Equal(t, []string{"<1>A</>  <1>B</>", "<31>x</>  y"}, table.Lines(0, marked))
}

// The text of an error comes from a program that may be broken, or worse.
func TestNoTextSteersTheTerminal(t *testing.T) {
	const text = "a\x1b[2Jb\u202ec\x00d\u009be"
	assert.Equal(t, `a\x1b[2Jb\x202ec\x00d\x9be`, terminal.Visible(text))
	table := terminal.NewTable(terminal.Column{Name: "A"})
	table.Row("two\nlines\x1b[0m")
	assert.Equal(t, `two lines\x1b[0m`, table.Lines(0, plain)[1])
	assert.Equal(t, "lines\n\tstay", terminal.Visible("lines\n\tstay"))
}
