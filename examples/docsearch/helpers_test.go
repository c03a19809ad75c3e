package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/examples/docsearch/internal/app"
)

// result is what a run of the demo in this process gave.
type result struct {
	code     int
	out, err string
}

func demo(t *testing.T, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	code := run(args, app.Config{Out: &out, Err: &err})
	return result{code, out.String(), err.String()}
}

// writeDocuments writes n documents of some chunks each. A document's number
// decides its text.
func writeDocuments(t *testing.T, dir string, from, n int) {
	t.Helper()
	for number := from; number < from+n; number++ {
		r := rand.New(rand.NewPCG(1, uint64(number)))
		var b strings.Builder
		fmt.Fprintf(&b, "# Document %d\n", number)
		for section := range 1 + r.IntN(4) {
			fmt.Fprintf(&b, "\n## Section %d\n\n", section)
			for range 40 + r.IntN(100) {
				fmt.Fprintf(&b, "word%d ", r.IntN(500))
			}
			b.WriteByte('\n')
		}
		write(t, filepath.Join(dir, fmt.Sprintf("doc-%05d.md", number)), b.String())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
