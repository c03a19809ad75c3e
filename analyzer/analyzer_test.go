package analyzer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/taskgen/taskgen/generator"
)

// testdata is where the tested programs are, as the go command names it from the root of the
// module, which they belong to.
const testdata = "./analyzer/testdata/"

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	require.NoError(t, err)
	return dir
}

// check holds what an analyzer reports in packages of testdata against their comments, and
// its fixes against the files beside them.
func check(t *testing.T, a *analysis.Analyzer, packages ...string) {
	t.Helper()
	for i := range packages {
		packages[i] = testdata + packages[i]
	}
	analysistest.RunWithSuggestedFixes(t, root(t), a, packages...)
}

func TestLoopsThatEnqueueOneAtATimeAreReported(t *testing.T) { check(t, loopCheck, "loop") }

func TestIgnoredErrorsAreReported(t *testing.T) { check(t, unusedCheck, "unused", "unexported") }

func TestSecretsInTheSourceAreReported(t *testing.T) { check(t, secretCheck, "secret") }

func TestHandlersThatIgnoreTheirContextAreReported(t *testing.T) { check(t, contextCheck, "context") }

func TestErrorsThatHideAnotherAreReported(t *testing.T) { check(t, retryableCheck, "retryable") }

func TestProgramsWithoutAHandlerForWhatTheyEnqueueAreReported(t *testing.T) {
	check(t, unhandledCheck, "unhandled/...")
}

func TestNothingIsReportedInGeneratedCode(t *testing.T) {
	pkgs, err := packages.Load(&packages.Config{Mode: packages.LoadAllSyntax, Dir: root(t)}, testdata+"tasks")
	require.NoError(t, err)
	require.Zero(t, packages.PrintErrors(pkgs))
	graph, err := checker.Analyze(Analyzers(), pkgs, nil)
	require.NoError(t, err)
	for _, act := range graph.Roots {
		require.NoError(t, act.Err)
		require.Empty(t, act.Diagnostics, act.Analyzer.Name)
	}
}

func TestTheAnalyzersAreValid(t *testing.T) {
	require.NoError(t, analysis.Validate(Analyzers()))
	page, err := os.ReadFile("../docs/analyzer.md")
	require.NoError(t, err)
	for _, a := range Analyzers() {
		require.Contains(t, string(page), "\n## "+a.Name+"\n", "the page of checks has no section on it")
	}
}

// TestTheTestedProgramsAreGeneratedByThisGenerator keeps the code that the analyzers are tested
// on equal to what users have.
func TestTheTestedProgramsAreGeneratedByThisGenerator(t *testing.T) {
	r, err := generator.Generate(t.Context(), generator.Config{Patterns: []string{"./testdata/tasks", "./testdata/unexported"}})
	require.NoError(t, err)
	require.Empty(t, r.Diagnostics)
	require.NotEmpty(t, r.Files)
	for path, want := range r.Files {
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "out of date: go run ./cmd/taskgen ./analyzer/testdata/...")
	}
}
