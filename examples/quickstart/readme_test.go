package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The README prints this program as a module of its own.
const (
	printedModule = "example.com/hello"
	thisModule    = "github.com/taskgen/taskgen/examples/quickstart"
)

func TestThisIsTheProgramThatTheREADMEPrints(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for _, name := range []string{"tasks/tasks.go", "main.go"} {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		printed := strings.ReplaceAll(string(source), thisModule, printedModule)
		assert.Contains(t, string(readme), "```go "+name+"\n"+printed+"```\n", "%s and the README's quick start differ: change both", name)
	}
}

func TestItPrintsWhatTheREADMESays(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "run", ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "a welcome mail to gopher@example.com\n", string(out))
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	assert.Contains(t, string(readme), "```text\n"+string(out)+"```\n")
}
