package generator

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheNameOfAFileSaysWhenItIsBuilt(t *testing.T) {
	for name, want := range map[string]string{
		"tasks.go": "", "linux.go": "", "tasks_linux.go": "linux", "tasks_arm64.go": "arm64", "tasks_linux_arm64.go": "linux && arm64",
		"arm64_linux.go": "linux", "tasks_arm64_linux.go": "linux", "my_tasks.go": "", "linux_tasks.go": "", "tasks_none.go": "", "a_b_windows.go": "windows",
	} {
		assert.Equal(t, want, nameExpr(name), name)
	}
}
