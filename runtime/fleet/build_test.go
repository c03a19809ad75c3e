package fleet

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestABuildIsWhatTheGoCommandHasStamped(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26", Path: "example.com/mailer/cmd/mailer", Main: debug.Module{Path: "example.com/mailer", Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
	}
	want := Build{Path: "example.com/mailer/cmd/mailer", Version: "v1.2.3", Revision: "abc", Modified: true, Go: "go1.26"}
	assert.Equal(t, want, buildOf(info))
}
