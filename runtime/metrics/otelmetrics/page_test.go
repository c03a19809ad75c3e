package otelmetrics_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestThePageListsWhatIsMeasured holds the page against a program's metrics.
func TestThePageListsWhatIsMeasured(t *testing.T) {
	page, err := os.ReadFile("../../../docs/observability.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "<!-- begin of the instruments -->")
	section, _, _ = strings.Cut(section, "<!-- end of the instruments -->")
	var listed, measured []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\|").FindAllStringSubmatch(section, -1) {
		listed = append(listed, m[1])
	}
	e := newEnv(t)
	e.work()
	for _, m := range e.collect().Metrics {
		measured = append(measured, m.Name)
	}
	assert.ElementsMatch(t, measured, listed)
}
