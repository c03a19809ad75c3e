package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWrapKeepsWordsWholeAndLinesShort(t *testing.T) {
	assert.Empty(t, Wrap(" \n", 4))
	assert.Equal(t, "    one two", Wrap("one\n two", 4))
	long := strings.Repeat("x", 100)
	assert.Equal(t, "  a\n  "+long+"\n  b", Wrap("a "+long+" b", 2))
	full := strings.Repeat("four ", 15) + "three" // 80 columns
	assert.Equal(t, full, Wrap(full, 0))
	assert.Equal(t, strings.Repeat("four ", 14)+"four\nthree!", Wrap(full+"!", 0))
}
