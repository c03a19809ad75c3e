package generator_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
)

// TestTheParserOfAsyncAPITakesTheDocument reads the golden document, and one in which a task
// is a part of its own payload.
func TestTheParserOfAsyncAPITakesTheDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs Node.js")
	}
	node, program, err := testserver.NodePackages("generator/testdata/asyncapi", "check.mjs")
	require.NoError(t, err)
	dir, _ := outputsModule(t)
	check := func(path string) string {
		out, err := exec.CommandContext(t.Context(), node, program, path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	assert.Equal(t, `version 3.0.0
send letters letter
send parcels ship_parcel
send summaries statement
receive letters letter
receive parcels ship_parcel
receive summaries statement
`, check(filepath.Join(dir, "outputs", "asyncapi.json")))

	put(t, filepath.Join(dir, "self", "self.go"), []byte(selfSource))
	files := generate(t, dir, "", "./self").Files
	path := filepath.Join(dir, "self", "asyncapi.json")
	put(t, path, files[path])
	assert.Equal(t, "version 3.0.0\nsend q self.task-1\nreceive q self.task-1\n", check(path))
	put(t, path, []byte(strings.Replace(string(files[path]), `"action": "send"`, `"action": "shout"`, 1)))
	assert.Contains(t, check(path), "error: ")
}

const selfSource = `// Package self has a task that holds itself.
//
//taskgen:defaults timeout=1m queue=q
//taskgen:retry none
//taskgen:queue name=q
//taskgen:output asyncapi=asyncapi.json
package self

// A Node has nodes.
type Node struct{ Next []*Node }

//taskgen:task name=self.task-1
type SelfTask struct {
	Then *SelfTask
	Node Node
}
`

// TestMessagesAreWhatIsSent validates envelopes that the runtime writes.
func TestMessagesAreWhatIsSent(t *testing.T) {
	dir, _ := outputsModule(t)
	put(t, filepath.Join(dir, "main.go"), []byte(envelopesDriver))
	lines := strings.Split(strings.TrimSpace(goRun(t, dir, "run", ".")), "\n")
	require.Len(t, lines, 3)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // that of AsyncAPI
	c.AssertFormat()
	for _, line := range lines {
		name, text, _ := strings.Cut(line, "\t")
		s, err := c.Compile(filepath.Join(dir, "outputs", "asyncapi.json") + "#/components/messages/" + name + "/payload")
		require.NoError(t, err)
		accepts := func(text string) error {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			require.NoError(t, err, text)
			return s.Validate(value)
		}
		assert.NoError(t, accepts(text), text)
		for _, wrong := range [][2]string{{`"v":1`, `"v":2`}, {`"type":"`, `"type":"x`}, {`"queue":"`, `"queue":"x`}, {`"payload":{`, `"payload":{"x":1,`}, {`"id"`, `"ID"`}} {
			require.Contains(t, text, wrong[0])
			assert.Error(t, accepts(strings.Replace(text, wrong[0], wrong[1], 1)), wrong[1])
		}
		if name == "ship_parcel" {
			assert.Error(t, accepts(strings.Replace(text, "group_key", "group_kex", 1)), "no group")
		}
	}
}

const envelopesDriver = `package main

import (
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"

	"example.com/golden/outputs"
)

func main() {
	show(&outputs.ShipParcelSpec, &outputs.ShipParcelTask{Customer: "c", Order: 1, To: &outputs.Address{}})
	show(&outputs.LetterSpec, &outputs.LetterTask{Email: "a@example.com"})
	show(&outputs.StatementSpec, &outputs.StatementTask{})
}

func show[T any](spec *runtime.Spec[T], task *T) {
	sent, err := runtime.NewTask(spec, task, time.Now())
	if err != nil {
		panic(err)
	}
	sent.ID = "1" // which Enqueue would set
	data := driver.AppendEnvelope(nil, sent)
	fmt.Printf("%s\t%s\n", spec.Type, data)
}
`
