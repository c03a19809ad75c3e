package taskgen_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	dropped = regexp.MustCompile("[^a-z0-9 _-]")
)

// TestLinksLeadSomewhere follows every link of the README and the docs that
// stays in the repository, to the file and to the heading in it.
func TestLinksLeadSomewhere(t *testing.T) {
	followed := 0
	for _, doc := range documents(t) {
		text, err := os.ReadFile(doc)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := doc
			if file != "" {
				target = filepath.Join(filepath.Dir(doc), file)
			}
			_, err := os.Stat(target)
			if !assert.NoError(t, err, "%s links to %s", doc, m[1]) || anchor == "" {
				continue
			}
			assert.Contains(t, anchors(t, target), anchor, "%s links to %s", doc, m[1])
		}
	}
	assert.NotZero(t, followed)
}

// anchors are the headings of a Markdown file as GitHub names them in links.
func anchors(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var all []string
	for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
		all = append(all, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return all
}
