package sqlite

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// statements reads the named SQL statements out of the sources.
func statements(t *testing.T) map[string]string {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := make(map[string]string)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "sql") {
				return true
			}
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			found[spec.Names[0].Name] = text
			return true
		})
	}
	return found
}

func TestNoStatementScansATable(t *testing.T) {
	all := statements(t)
	require.Greater(t, len(all), 50)
	p := openFile(t, newFile(t))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		require.NoError(t, p.reader.do(context.Background(), 0, func(tt *tx) {
			for r := tt.query("EXPLAIN QUERY PLAN " + all[name]); r.next(); {
				step := r.text(3)
				for line := range strings.SplitSeq(step, "\n") {
					// Results that are newer than n, and the rows of a subquery, are what
					// is asked for.
					fine := !strings.HasPrefix(line, "SCAN") || line == "SCAN CONSTANT ROW" || strings.HasPrefix(line, "SCAN (subquery")
					require.True(t, fine, "%s: %s", name, line)
					require.NotContains(t, line, "TEMP B-TREE", name)
				}
			}
		}), name)
	}
}

// TestTheCostIsWhatTheDocumentationSays counts the statements that 100 tasks
// more make.
func TestTheCostIsWhatTheDocumentationSays(t *testing.T) {
	// Time stands still, so that nothing is tidied in between.
	p := openFile(t, newFile(t), WithClock(tasktest.NewClock(time.Now())))
	q := openQueue(t, p, driver.QueueConfig{})
	ctx := context.Background()
	steps := func(do func()) int64 {
		before := p.writer.c.steps.Load()
		do()
		return p.writer.c.steps.Load() - before
	}
	cost := func(n int) map[string]int64 {
		ts := tasks(n)
		costs := make(map[string]int64)
		var ds []*driver.Delivery
		costs["Enqueue"] = steps(func() { enqueue(t, q, ts...) })
		// A step for each row that is read is no statement.
		costs["Dequeue"] = steps(func() { ds = take(t, q, n) }) - int64(n)
		costs["Extend"] = steps(func() { require.NoError(t, q.Extend(ctx, ds, time.Minute)) })
		costs["Release"] = steps(func() { require.NoError(t, q.Release(ctx, ds)) })
		ds = take(t, q, n)
		costs["Complete"] = steps(func() { require.NoError(t, q.Complete(ctx, ds)) })
		for _, t := range ts {
			t.UniqueKey = t.ID
		}
		costs["Enqueue with a key"] = steps(func() { enqueue(t, q, ts...) })
		for _, t := range ts {
			t.UniqueKey = ""
		}
		require.NoError(t, q.Complete(ctx, take(t, q, n)))
		enqueue(t, q, ts...)
		ds = take(t, q, n)
		costs["DeadLetter"] = steps(func() { require.NoError(t, q.DeadLetter(ctx, ds)) })
		ids := idsOf(ds)
		gone, err := q.Discard(ctx, ids)
		require.NoError(t, err)
		require.Len(t, gone, n)
		return costs
	}
	cost(1) // what is done once only: the first tidying
	few, many := cost(100), cost(200)
	for what, each := range map[string]int64{
		"Enqueue": 2, "Enqueue with a key": 4, "Dequeue": 0, "Extend": 1, "Release": 4, "Complete": 2, "DeadLetter": 5,
	} {
		require.Equal(t, each*100, many[what]-few[what], what)
	}
}
