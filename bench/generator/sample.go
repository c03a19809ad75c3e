package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fields are those of every struct of the sample: what payloads are made of,
// some of it from other packages.
const fields = `	common
	ID       uuid.UUID         ` + "`json:\"id\" task:\"required\"`" + `
	Name     string            ` + "`json:\"name\" task:\"required\"`" + `
	Token    string            ` + "`json:\"token\" task:\"secret\"`" + `
	Count    int64             ` + "`json:\"count\"`" + `
	Created  time.Time         ` + "`json:\"created\"`" + `
	Body     json.RawMessage   ` + "`json:\"body,omitempty\"`" + `
	Headers  map[string]string ` + "`json:\"headers,omitempty\"`" + `
	Tags     []string          ` + "`json:\"tags,omitempty\"`" + `
	Parent   *reference        ` + "`json:\"parent,omitempty\"`" + `
`

// siblings are the rest of the package: handwritten code that drags in large
// packages, as real packages do.
var siblings = map[string]string{
	"common.go": `package tasks

type common struct {
	TraceID string ` + "`json:\"trace_id\"`" + `
}

type reference struct {
	Kind string ` + "`json:\"kind\"`" + `
	Key  string ` + "`json:\"key\"`" + `
}
`,
	"http.go": `package tasks

import (
	"encoding/json"
	"net/http"
)

// Serve enqueues what is posted.
func Serve(w http.ResponseWriter, r *http.Request) {
	var task T000Task
	if err := json.NewDecoder(r.Body).Decode(&task); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}
`,
	"store.go": `package tasks

import (
	"context"
	"crypto/tls"
	"database/sql"
)

// Store keeps what tasks leave behind.
type Store struct {
	DB  *sql.DB
	TLS *tls.Config
}

// Put stores one.
func (s *Store) Put(ctx context.Context, t *T001Task) error {
	_, err := s.DB.ExecContext(ctx, "insert into t values (?)", t.Name)
	return err
}
`,
}

// A sample is a package of task structs in a module of its own.
type sample struct {
	dir   string
	tasks int
	edits int
}

// newSample writes the sample below dir. root is the repository, whose runtime
// the generated code uses.
func newSample(dir, root string, tasks int) (*sample, error) {
	s := &sample{dir: dir, tasks: tasks}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return nil, err
	}
	_, requires, _ := strings.Cut(string(mod), "\n")
	files := map[string]string{
		"go.mod": "module example.com/sample\n" + requires + "\nrequire github.com/taskgen/taskgen v0.0.0\n\nreplace github.com/taskgen/taskgen => " + root + "\n",
		"go.sum": string(sum),
	}
	for name, text := range siblings {
		files[name] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return s, s.edit()
}

// generated is the path of the generated file.
func (s *sample) generated() string { return filepath.Join(s.dir, "tasks_taskgen.go") }

// clean makes the package one for which nothing was generated yet.
func (s *sample) clean() error {
	if err := os.Remove(s.generated()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// edit changes the package, as somebody does who adds a field to a task.
func (s *sample) edit() error {
	s.edits++
	var b strings.Builder
	b.WriteString("//taskgen:defaults timeout=1m\n//taskgen:retry max=3 backoff=exponential base=1s cap=5m\n//taskgen:queue name=work visibility=2m\npackage tasks\n\n")
	b.WriteString("import (\n\t\"encoding/json\"\n\t\"time\"\n\n\t\"github.com/google/uuid\"\n)\n")
	for i := range s.tasks {
		fmt.Fprintf(&b, "\n// T%03dTask is number %d of the sample.\n//\n//taskgen:task queue=work\n//taskgen:unique by=ID within=1h\ntype T%03dTask struct {\n%s", i, i, i, fields)
		if i == 0 {
			fmt.Fprintf(&b, "\tEdit%d string\n", s.edits)
		}
		b.WriteString("}\n")
	}
	return os.WriteFile(filepath.Join(s.dir, "tasks.go"), []byte(b.String()), 0o644)
}
