// Package golangci is the plugin of taskgen for golangci-lint, by its module plugin system. It
// registers the analyzers of package analyzer as the linter "taskgen". docs/analyzer.md shows
// the two files that golangci-lint needs for it.
package golangci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/taskgen/taskgen/analyzer"
)

func init() { register.Plugin("taskgen", New) }

// Settings are those of the linter in the file of golangci-lint.
type Settings struct {
	// Disable names the checks that are left out, such as "tasksecret". Empty: none.
	Disable []string `json:"disable"`
}

// New makes the linter of settings in the form of Settings; nil: all checks. The error names
// settings and checks that do not exist.
func New(settings any) (register.LinterPlugin, error) {
	s, err := register.DecodeSettings[Settings](settings)
	if err != nil {
		return nil, fmt.Errorf("the settings of taskgen: %w", err)
	}
	all := analyzer.Analyzers()
	p := plugin(slices.DeleteFunc(all, func(a *analysis.Analyzer) bool { return slices.Contains(s.Disable, a.Name) }))
	for _, name := range s.Disable {
		if !slices.ContainsFunc(analyzer.Analyzers(), func(a *analysis.Analyzer) bool { return a.Name == name }) {
			return nil, fmt.Errorf("the settings of taskgen disable %q, which is none of its checks: %s", name, strings.Join(names(analyzer.Analyzers()), ", "))
		}
	}
	return p, nil
}

func names(all []*analysis.Analyzer) []string {
	var names []string
	for _, a := range all {
		names = append(names, a.Name)
	}
	return names
}

type plugin []*analysis.Analyzer

func (p plugin) BuildAnalyzers() ([]*analysis.Analyzer, error) { return p, nil }

func (plugin) GetLoadMode() string { return register.LoadModeTypesInfo }
