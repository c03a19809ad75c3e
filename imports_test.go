package taskgen_test

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/taskgen/taskgen"

// providers are the backends; each may import the driver package and its own SDK.
var providers = []string{"memory", "sqlite", "redis", "sqs", "rabbitmq", "nats"}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return strings.Fields(string(out))
}

// imports maps each package of the module to what its non-test files import.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for _, line := range goList(t, "-f", `{{.ImportPath}}|{{join .Imports "|"}}`, "./...") {
		pkg, deps, _ := strings.Cut(line, "|")
		all[pkg] = strings.Split(deps, "|")
	}
	require.NotEmpty(t, all)
	return all
}

func within(pkg, tree string) bool {
	tree = module + "/" + tree
	return pkg == tree || strings.HasPrefix(pkg, tree+"/")
}

func TestImportsRunOneWay(t *testing.T) {
	for pkg, deps := range imports(t) {
		for _, dep := range deps {
			if within(pkg, "generator") || within(pkg, "cmd/taskgen") {
				require.False(t, within(dep, "runtime"), "%s imports %s: the generator writes calls to the runtime, it makes none", pkg, dep)
			}
			if within(pkg, "runtime") {
				require.False(t, within(dep, "generator") || within(dep, "cmd") || within(dep, "server") || within(dep, "config"), "%s imports %s", pkg, dep)
			}
			if within(pkg, "analyzer") {
				require.False(t, strings.HasPrefix(dep, module+"/") && !within(dep, "analyzer"), "%s imports %s: it knows other packages by the types in the programs that it reads", pkg, dep)
			}
			require.False(t, within(dep, "analyzer") && !within(pkg, "analyzer") && pkg != module+"/cmd/taskvet", "%s imports %s", pkg, dep)
			require.False(t, strings.HasPrefix(dep, "github.com/golangci/") && pkg != module+"/analyzer/golangci", "%s imports %s: it is for plugins", pkg, dep)
			for _, tool := range []string{"internal/testserver", "internal/faultproxy", "internal/collector", "internal/childtest", "internal/output", "runtime/sqs/sqstest"} {
				require.False(t, within(dep, tool) && !within(pkg, "internal"), "%s imports %s: it is for tests", pkg, dep)
			}
			if within(pkg, "cmd/taskq") && !within(pkg, "cmd/taskq/internal/target") {
				require.False(t, within(dep, "server") || within(dep, "config") || within(dep, "runtime") && !within(dep, "runtime/driver"), "%s imports %s: commands call the API, and package target connects them to it", pkg, dep)
			}
			require.False(t, within(dep, "cmd/taskq") && !within(pkg, "cmd/taskq"), "%s imports %s", pkg, dep)
			if within(pkg, "server") {
				require.False(t, within(dep, "generator") || within(dep, "cmd") || within(dep, "config") || slices.ContainsFunc(providers, func(p string) bool { return within(dep, "runtime/"+p) }), "%s imports %s: it serves what a program has opened", pkg, dep)
			}
			if pkg == module+"/runtime" {
				require.False(t, within(dep, "runtime") && !within(dep, "runtime/internal") && !within(dep, "runtime/driver") && !within(dep, "runtime/generated") && !within(dep, "runtime/observe"), "the core imports %s", dep)
			}
			if within(pkg, "runtime/internal/pool") {
				require.False(t, within(dep, "runtime") && !within(dep, "runtime/driver") && !within(dep, "runtime/observe") && !within(dep, "runtime/internal/redact") && !within(dep, "runtime/internal/observed"), "the pool imports %s: what it needs of the manager is in pool.Host", dep)
			}
			if within(pkg, "runtime/metrics") {
				require.False(t, within(dep, "runtime") && !within(dep, "runtime/driver") && !within(dep, "runtime/observe") && !within(dep, "runtime/metrics/internal"), "metrics import %s: a listener needs what it hears of, and nothing else", dep)
			}
			for _, p := range providers {
				if within(pkg, "runtime/"+p) {
					require.NotEqual(t, module+"/runtime", dep, "provider %s imports the front: what it needs is in runtime/driver", pkg)
					for _, other := range providers {
						require.False(t, other != p && within(dep, "runtime/"+other), "provider %s imports %s", pkg, dep)
					}
				}
			}
		}
	}
}

func TestCoreDependsOnNothingButARateLimiter(t *testing.T) {
	allowed := []string{module + "/runtime", module + "/internal/typeinfo", module + "/internal/settle", module + "/internal/deliveries", module + "/runtime/internal/jsonvalue", module + "/runtime/generated", module + "/runtime/driver", module + "/runtime/observe", module + "/runtime/internal/pool", module + "/runtime/internal/observed", module + "/runtime/internal/redact", "golang.org/x/time/rate"}
	for _, dep := range goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./runtime") {
		require.True(t, slices.Contains(allowed, dep), "the core links %s into every user's program", dep)
	}
}

// The reason for redact is in docs/decisions/driver-imports-redact.md.
func TestDriverDependsOnTheStandardLibraryAlone(t *testing.T) {
	allowed := []string{module + "/runtime/driver", module + "/runtime/internal/redact"}
	for _, dep := range goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./runtime/driver") {
		require.True(t, slices.Contains(allowed, dep), "every provider would link %s", dep)
	}
}

// TestTracingLinksTheAPIOfOpenTelemetryAlone leaves the choice of an SDK, its version and
// its exporters to the program.
func TestTracingLinksTheAPIOfOpenTelemetryAlone(t *testing.T) {
	const otel = "go.opentelemetry.io/"
	ours := []string{module + "/runtime/driver", module + "/runtime/observe"}
	for _, dep := range imports(t)[module+"/runtime/tracing"] {
		require.True(t, !strings.Contains(dep, ".") || strings.HasPrefix(dep, otel+"otel") || slices.Contains(ours, dep), "tracing imports %s", dep)
	}
	for _, dep := range goList(t, "-deps", "./runtime/tracing") {
		for _, sdk := range []string{otel + "otel/sdk", otel + "otel/exporters", otel + "contrib"} {
			require.False(t, strings.HasPrefix(dep, sdk), "tracing links %s", dep)
		}
	}
}

func TestProvidersLinkNoFront(t *testing.T) {
	for _, p := range providers {
		require.NotContains(t, goList(t, "-deps", "./runtime/"+p), module+"/runtime", "provider %s", p)
	}
}

// TestAProgramLinksTheProvidersThatItNames holds the packages below config to what they are
// for: each links its own provider, and package config none.
func TestAProgramLinksTheProvidersThatItNames(t *testing.T) {
	linked := func(pkg string) (all []string) {
		deps := goList(t, "-deps", pkg)
		for _, p := range providers {
			if slices.Contains(deps, module+"/runtime/"+p) {
				all = append(all, p)
			}
		}
		return all
	}
	require.Empty(t, linked("./config"))
	require.ElementsMatch(t, providers, linked("./config/all"))
	for _, p := range providers {
		require.Equal(t, []string{p}, linked("./config/"+p))
	}
}

// telemetry are the libraries of metrics and traces, and the packages that may link them.
// An SDK and an exporter are the choice of a program, which makes it by importing
// config/traces.
var telemetry = map[string][]string{
	"github.com/prometheus/":             append(taskq, "runtime/metrics", "config/metrics", "config/all"),
	"go.opentelemetry.io/":               append(taskq, "runtime/metrics/otelmetrics", "runtime/tracing", "config/traces", "config/all", "internal/collector"),
	"go.opentelemetry.io/otel/sdk":       append(taskq, "config/traces", "config/all"),
	"go.opentelemetry.io/otel/exporters": append(taskq, "config/traces", "config/all"),
	"google.golang.org/grpc":             append(taskq, "config/traces", "config/all", "internal/collector"), // with the types of OTLP
}

// taskq are the packages of the command line that can open any broker.
var taskq = []string{"cmd/taskq", "cmd/taskq/internal/command", "cmd/taskq/internal/target", "cmd/taskq/internal/doctor", "cmd/taskq/internal/bench"}

// api are the libraries of the API, and the packages that may link them.
var api = map[string][]string{
	"connectrpc.com/":         append(taskq, "cmd/taskq/internal/exit", "server", "config/server", "config/all", "proto/taskgen/v1/taskgenv1connect"),
	"buf.build/":              append(taskq, "server", "config/server", "config/all", "proto/taskgen/v1", "proto/taskgen/v1/taskgenv1connect"),
	module + "/server":        append(taskq, "config/server", "config/all"),
	module + "/proto/taskgen": append(taskq, "server", "config/server", "config/all", "proto/taskgen/v1/taskgenv1connect"),
}

// TestOnlyTheCommandLineOfOperatorsLinksItsLibraries keeps them out of the generator, and of all
// that users import.
func TestOnlyTheCommandLineOfOperatorsLinksItsLibraries(t *testing.T) {
	for _, line := range goList(t, "-f", `{{.ImportPath}}{{range .Deps}}|{{.}}{{end}}`, "./...") {
		pkg, deps, _ := strings.Cut(line, "|")
		for _, library := range []string{"github.com/spf13/", "golang.org/x/term"} {
			require.False(t, strings.Contains("|"+deps, "|"+library) && !within(pkg, "cmd/taskq"), "%s links %s", pkg, library)
		}
	}
	require.NotContains(t, goList(t, "-deps", "./cmd/taskgen"), "github.com/spf13/cobra")
	require.Contains(t, goList(t, "-deps", "./cmd/taskq"), "github.com/spf13/cobra")
}

// TestAProgramLinksNoLibraryOfASectionThatItDoesNotImport keeps these libraries out of programs
// that do not import the package for them.
func TestAProgramLinksNoLibraryOfASectionThatItDoesNotImport(t *testing.T) {
	libraries := maps.Clone(telemetry)
	maps.Copy(libraries, api)
	for _, line := range goList(t, "-f", `{{.ImportPath}}{{range .Deps}}|{{.}}{{end}}`, "./...") {
		pkg, deps, _ := strings.Cut(line, "|")
		deps = "|" + deps
		for library, mayLink := range libraries {
			may := slices.ContainsFunc(mayLink, func(name string) bool { return pkg == module+"/"+name })
			require.Equal(t, may, strings.Contains(deps, "|"+library), "whether %s links %s", pkg, library)
		}
	}
}

func TestNoTestLibraryReachesUsersBinaries(t *testing.T) {
	for _, dep := range goList(t, "-deps", "./...") {
		for _, lib := range []string{"github.com/stretchr/testify", "go.uber.org/goleak", "pgregory.net/rapid"} {
			require.False(t, strings.HasPrefix(dep, lib), "%s is linked by a package that is no test", dep)
		}
	}
}

func TestWhatIsForTestsStaysInTests(t *testing.T) {
	for pkg, deps := range imports(t) {
		if pkg == module+"/internal/sqsfake" { // which is the same under another name
			continue
		}
		for _, dep := range deps {
			require.False(t, within(dep, "runtime/sqs/sqstest") || within(dep, "internal/sqsfake"), "%s imports %s, which stands in for a service in tests", pkg, dep)
		}
	}
}

// TestAProgramWithoutSchedulesLinksNoCronParser holds apart what stores keep of a job and
// the scheduler: all that a program has from a provider is the former.
func TestAProgramWithoutSchedulesLinksNoCronParser(t *testing.T) {
	for _, p := range providers {
		for _, dep := range goList(t, "-deps", "./runtime/"+p) {
			require.False(t, within(dep, "internal/crontab") || strings.HasPrefix(dep, "github.com/netresearch/go-cron"), "provider %s links %s", p, dep)
			require.False(t, p == "memory" && dep == "github.com/google/uuid", "provider %s links %s", p, dep)
		}
	}
}

// TestAWorkerOfAFleetLinksNothingElse holds apart what a worker says of itself, and the
// tools that show and check payloads by it.
func TestAWorkerOfAFleetLinksNothingElse(t *testing.T) {
	allowed := []string{module + "/runtime/fleet", module + "/internal/typeinfo", module + "/runtime/fleet/fleetstore", module + "/runtime/observe", module + "/runtime/driver", module + "/runtime/internal/redact"}
	for _, dep := range goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./runtime/fleet") {
		require.True(t, slices.Contains(allowed, dep), "every worker of a fleet would link %s", dep)
	}
	for _, dep := range goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./runtime/fleet/fleetstore") {
		require.Contains(t, []string{module + "/runtime/fleet/fleetstore", module + "/internal/typeinfo"}, dep, "every provider would link %s", dep)
	}
	for _, p := range providers {
		for _, dep := range goList(t, "-deps", "./runtime/"+p) {
			require.False(t, dep != module+"/runtime/fleet/fleetstore" && within(dep, "runtime/fleet") || within(dep, "runtime/observe"), "provider %s links %s", p, dep)
		}
	}
}

// TestAProgramWithoutMetricsLinksNoHTTPServer holds the loader of files apart from what only
// some of its sections need.
func TestAProgramWithoutMetricsLinksNoHTTPServer(t *testing.T) {
	for _, pkg := range []string{"./config", "./config/memory", "./config/sqlite"} {
		require.NotContains(t, goList(t, "-deps", pkg), "net/http", "%s links it into every program", pkg)
	}
	require.Contains(t, goList(t, "-deps", "./config/metrics"), "net/http")
}

// TestAPoolWithAHistoryLinksNothingElse keeps what every worker links small, and holds apart
// what stores keep of a history and who records it.
func TestAPoolWithAHistoryLinksNothingElse(t *testing.T) {
	allowed := []string{module + "/runtime/history", module + "/runtime/history/historystore", module + "/internal/typeinfo", module + "/runtime/observe", module + "/runtime/driver", module + "/runtime/internal/redact"}
	for _, dep := range goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./runtime/history") {
		require.True(t, slices.Contains(allowed, dep), "every pool with a history would link %s", dep)
	}
	of := append(allowed[1:2:2], module+"/runtime/driver", module+"/runtime/internal/redact", module+"/runtime/internal/chunklog")
	for _, dep := range goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./runtime/history/historystore", "./runtime/internal/chunklog") {
		require.True(t, slices.Contains(of, dep), "every provider would link %s", dep)
	}
	for _, p := range providers {
		for _, dep := range goList(t, "-deps", "./runtime/"+p) {
			require.False(t, dep != module+"/runtime/history/historystore" && within(dep, "runtime/history"), "provider %s links %s", p, dep)
		}
	}
}

// go mod tidy reads the tests of what a program imports, and downloads what they need.
func TestTestsOfTheCoreNeedNoOtherProvider(t *testing.T) {
	for _, dep := range goList(t, "-f", `{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`,
		"./runtime", "./runtime/driver", "./runtime/internal/...", "./runtime/memory", "./runtime/schedule/jobstore", "./runtime/observe", "./runtime/tracing", "./runtime/fleet/...", "./runtime/history/...", "./config", "./config/memory") {
		for _, section := range []string{"config/metrics", "config/traces", "config/server", "server", "config/all", "internal/collector"} {
			require.False(t, within(dep, section), "a hello program downloads the modules of %s", dep)
		}
		for _, p := range providers {
			require.False(t, p != "memory" && (within(dep, "runtime/"+p) || within(dep, "config/"+p)), "a hello program downloads the modules of %s", dep)
		}
	}
}
