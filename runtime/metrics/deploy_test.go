package metrics_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/metrics"
)

const (
	rulesFile     = "../../deploy/prometheus/taskgen.rules.yml"
	dashboardFile = "../../deploy/grafana/taskgen.json"
	runbook       = "../../docs/operations.md"
	pageFile      = "../../docs/observability.md"
)

// A rule is an alert of the rules file.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	require.NoError(t, yaml.UnmarshalWithOptions(text, &file, yaml.Strict()))
	require.Len(t, file.Groups, 1)
	return file.Groups[0].Rules
}

// queries are the expressions of the dashboard, by the titles of their panels.
func queries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	var dashboard any
	require.NoError(t, json.Unmarshal(text, &dashboard))
	all := make(map[string]string)
	var walk func(title string, v any)
	walk = func(title string, v any) {
		switch v := v.(type) {
		case []any:
			for _, each := range v {
				walk(title, each)
			}
		case map[string]any:
			for _, key := range []string{"name", "title"} {
				if s, ok := v[key].(string); ok {
					title = s
				}
			}
			for key, each := range v {
				if s, ok := each.(string); ok && slices.Contains([]string{"expr", "definition"}, key) {
					all[title] += s + "\n"
				}
				walk(title, each)
			}
		}
	}
	walk("", dashboard)
	return all
}

// gathered are the families of a program that has done some of everything, each with the
// labels of its series.
func gathered(t *testing.T) map[string][]string {
	t.Helper()
	e := newEnv(t, metrics.Config{})
	e.work()
	families, err := e.registry.Gather()
	require.NoError(t, err)
	all := make(map[string][]string)
	for _, f := range families {
		labels := []string{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		name := f.GetName()
		all[name] = labels
		if f.GetType() == dto.MetricType_HISTOGRAM {
			all[name+"_sum"], all[name+"_count"], all[name+"_bucket"] = labels, labels, append(slices.Clone(labels), "le")
		}
	}
	return all
}

var (
	metricName = regexp.MustCompile(`taskgen_\w+`)
	selector   = regexp.MustCompile(`(taskgen_\w+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`)
	grouping   = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
)

// requireKnown holds the metrics and labels of an expression against what there is.
func requireKnown(t *testing.T, where, expr string, known map[string][]string) {
	t.Helper()
	names := metricName.FindAllString(expr, -1)
	assert.NotEmpty(t, names, "%s: %s", where, expr)
	labels := []string{"job", "instance"} // which every scrape adds
	for _, name := range names {
		assert.Contains(t, known, name, where)
		labels = append(labels, known[name]...)
	}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			assert.Contains(t, known[m[1]], l[1], "%s: %s has no such label", where, m[1])
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			assert.Contains(t, labels, strings.TrimSpace(label), "%s: no metric of it has such a label", where)
		}
	}
}

func TestAlertsWatchWhatThereIs(t *testing.T) {
	known := gathered(t)
	all := rules(t)
	require.NotEmpty(t, all)
	for _, r := range all {
		requireKnown(t, r.Alert, r.Expr, known)
		assert.NotEmpty(t, r.For, r.Alert)
		assert.Contains(t, []string{"info", "warning", "critical"}, r.Labels["severity"], r.Alert)
		assert.NotEmpty(t, r.Annotations["summary"], r.Alert)
	}
}

// TestEachAlertHasARunbook holds the alerts and the sections of the runbook together.
func TestEachAlertHasARunbook(t *testing.T) {
	page, err := os.ReadFile(runbook)
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(page), "\n## Alerts\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	var headings, alerts []string
	for _, m := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(section, -1) {
		headings = append(headings, m[1])
	}
	for _, r := range rules(t) {
		alerts = append(alerts, r.Alert)
		assert.Equal(t, "https://github.com/taskgen/taskgen/blob/main/docs/operations.md#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"])
	}
	assert.Equal(t, alerts, headings, "one section for each alert, in the order of the rules")
	for text := range strings.SplitSeq(section, "\n### ") {
		if name, body, found := strings.Cut(text, "\n"); found && slices.Contains(alerts, name) {
			for _, part := range []string{"**Means:**", "**Look at:**", "**Do:**"} {
				assert.Contains(t, body, part, name)
			}
		}
	}
}

func TestTheDashboardShowsWhatThereIs(t *testing.T) {
	known := gathered(t)
	shown := make(map[string]bool)
	all := queries(t)
	for title, expr := range all {
		if title == "Data source" || title == "datasource" {
			continue
		}
		requireKnown(t, title, expr, known)
		for _, name := range metricName.FindAllString(expr, -1) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			shown[name] = true
		}
	}
	for _, variable := range []string{"queue", "type"} {
		assert.Contains(t, all[variable], "label_values(taskgen_")
	}
	for name := range known {
		if !strings.HasSuffix(name, "_bucket") && !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") {
			assert.True(t, shown[name], "no panel shows %s", name)
		}
	}
}

// TestThePageListsWhatIsGathered holds the page against a program's metrics, as
// TestThePageListsTheMetrics holds it against the code.
func TestThePageListsWhatIsGathered(t *testing.T) {
	page, err := os.ReadFile(pageFile)
	require.NoError(t, err)
	var listed, there []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(taskgen_\\w+)` \\|").FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, m[1])
	}
	for name := range gathered(t) {
		if !strings.HasSuffix(name, "_bucket") && !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") {
			there = append(there, name)
		}
	}
	assert.ElementsMatch(t, there, listed)
}
