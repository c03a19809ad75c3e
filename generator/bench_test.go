package generator_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/load"
)

const header = "//taskgen:defaults timeout=1m queue=q\n//taskgen:retry none\n//taskgen:queue name=q\n"

// BenchmarkLoad reads a package of 200 tasks with handlers that import what
// handlers import. The metric xlist is the time as a multiple of what go list
// takes for the same package in the same run.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	env := append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	write := func(name, text string) { require.NoError(b, os.WriteFile(dir+"/"+name, []byte(text), 0o644)) }
	write("go.mod", "module example.com/app\n\ngo 1.26\n")
	var tasks, handlers strings.Builder
	tasks.WriteString(header + "package app\n\nimport (\n\t\"encoding/json\"\n\t\"time\"\n)\n\ntype Base struct{ Tenant string }\n")
	handlers.WriteString("package app\n\nimport (\n\t\"context\"\n\t\"database/sql\"\n\t\"net/http\"\n)\n\nvar client http.Client\n")
	for i := range 200 {
		fmt.Fprintf(&tasks, `
// Job%[1]dTask is number %[1]d.
//
//taskgen:task aliases=old_%[1]d
//taskgen:unique by=Text,Count within=1h
type Job%[1]dTask struct {
	Base
	Text  string            `+"`json:\"text\" task:\"required\"`"+`
	Count int               `+"`json:\"count\"`"+`
	At    time.Time         `+"`json:\"at\"`"+`
	Wait  *time.Duration    `+"`json:\"wait,omitempty\"`"+`
	Raw   json.RawMessage   `+"`json:\"raw\"`"+`
	Tags  map[string]string `+"`json:\"tags\"`"+`
	Link  *string           `+"`json:\"link\"`"+`
	Key   string            `+"`json:\"key\" task:\"secret\"`"+`
}
`, i)
		fmt.Fprintf(&handlers, `
// HandleJob%[1]d does it.
func HandleJob%[1]d(ctx context.Context, db *sql.DB, task Job%[1]dTask) error {
	rows, err := db.QueryContext(ctx, "select a, b from t where a = ?", task.Text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		if _, err := EnqueueJob%[1]d(ctx, nil, Job%[1]dTask{Text: a + b}); err != nil {
			return err
		}
	}
	return rows.Err()
}
`, i)
	}
	write("tasks.go", tasks.String())
	write("handlers.go", handlers.String())

	var listing, loading time.Duration
	for b.Loop() {
		start := time.Now()
		list := exec.CommandContext(b.Context(), "go", "list", "-deps", ".")
		list.Dir, list.Env = dir, env
		require.NoError(b, list.Run())
		listing += time.Since(start)
		start = time.Now()
		listing, err := load.Find(b.Context(), load.Query{Dir: dir, Env: env})
		require.NoError(b, err)
		l, err := check.Run(b.Context(), listing)
		require.NoError(b, err)
		require.Empty(b, l.Diagnostics)
		require.Len(b, l.Packages[0].Tasks, 200)
		loading += time.Since(start)
	}
	b.ReportMetric(loading.Seconds()/listing.Seconds(), "xlist")
	b.ReportMetric(float64(loading.Milliseconds())/float64(b.N), "load-ms")
	b.ReportMetric(float64(listing.Milliseconds())/float64(b.N), "list-ms")
}
