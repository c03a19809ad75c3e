package split

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const guide = `# Guide

Welcome to the *guide*.

## Setup

Install it:

` + "```sh\n# not a heading\ngo get it\n```" + `

- one
- two with ` + "`code`" + `

### Details
Deep.

Other
-----
Last [link](https://example.com/x).
`

func TestHeadingsCutsAtHeadingsAndKeepsTheirPath(t *testing.T) {
	assert.Equal(t, []Chunk{
		{"Guide", "Welcome to the guide."},
		{"Guide › Setup", "Install it: # not a heading go get it one two with code"},
		{"Guide › Setup › Details", "Deep."},
		{"Guide › Other", "Last link."},
	}, Headings([]byte(guide), Options{Size: 100}))
}

func TestLongSectionsBecomeOverlappingWindows(t *testing.T) {
	got := Headings([]byte("# T\n\na b c d e f g h i j"), Options{Size: 4, Overlap: 1})
	assert.Equal(t, []Chunk{{"T", "a b c d"}, {"T", "d e f g"}, {"T", "g h i j"}}, got)
}

func TestWindowsIgnoresHeadings(t *testing.T) {
	got := Windows([]byte("# A\n\na b c\n\n# B\n\nd e f"), Options{Size: 4, Overlap: 0})
	assert.Equal(t, []Chunk{{"A", "a b c d"}, {"B", "e f"}}, got)
}

func TestEveryWordIsInSomeChunk(t *testing.T) {
	words := make([]string, 97)
	for i := range words {
		words[i] = strings.Repeat("w", i+1)
	}
	for size := 1; size < 30; size++ {
		for overlap := range size {
			var seen []string
			for i, w := range windows(words, size, overlap) {
				require.LessOrEqual(t, len(w), size)
				if i > 0 {
					require.Greater(t, len(w), overlap, "size %d, overlap %d: window %d says nothing new", size, overlap, i)
					w = w[overlap:]
				}
				seen = append(seen, w...)
			}
			require.Equal(t, words, seen, "size %d, overlap %d", size, overlap)
		}
	}
}

func TestDocumentsWithoutTextHaveNoChunks(t *testing.T) {
	for _, source := range []string{"", "\n\n", "# Only a heading\n", "<div></div>\n"} {
		assert.Empty(t, Headings([]byte(source), Options{Size: 10}), "%q", source)
		assert.Empty(t, Windows([]byte(source), Options{Size: 10}), "%q", source)
	}
}

func TestTitleIsTheFirstHeadingOfTheHighestLevel(t *testing.T) {
	assert.Equal(t, "Guide", Title([]byte(guide)))
	assert.Equal(t, "Main", Title([]byte("## Before\n\n# Main\n\n# Second\n")))
	assert.Empty(t, Title([]byte("no heading")))
}

func TestFromParametersFillsInDefaults(t *testing.T) {
	o, err := FromParameters(map[string]any{"size": float64(50), "splitter": "windows"})
	require.NoError(t, err)
	assert.Equal(t, Options{Splitter: "windows", Size: 50, Overlap: DefaultOverlap}, o)
}

func TestFromParametersNamesWhatIsWrong(t *testing.T) {
	for want, parameters := range map[string]map[string]any{
		`unknown parameter "sise"`:  {"sise": 3},
		`parameter "size" is 1.5`:   {"size": 1.5},
		`parameter "overlap" is x`:  {"overlap": "x"},
		`parameter "splitter" is 7`: {"splitter": 7},
		`overlap by 120`:            {"overlap": 120},
		`chunks of 0 words`:         {"size": 0, "overlap": 0},
	} {
		_, err := FromParameters(parameters)
		assert.ErrorContains(t, err, want)
	}
}
