package metrics

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestVersionsOfAProgramAndOfTaskgen(t *testing.T) {
	for name, c := range map[string]struct {
		info             debug.BuildInfo
		program, taskgen string
	}{
		"a release": {debug.BuildInfo{
			Main: debug.Module{Path: "example.com/shop", Version: "v1.4.0"},
			Deps: []*debug.Module{{Path: "example.com/other", Version: "v9.0.0"}, {Path: module, Version: "v0.3.0"}},
		}, "v1.4.0", "v0.3.0"},
		"beside a clone": {debug.BuildInfo{
			Main: debug.Module{Path: "example.com/shop", Version: "(devel)"},
			Deps: []*debug.Module{{Path: module, Version: "v0.0.0", Replace: &debug.Module{Path: "../taskgen"}}},
		}, "(devel)", "unknown"},
		"a command of ours": {debug.BuildInfo{Main: debug.Module{Path: module, Version: "v0.3.0"}}, "v0.3.0", "v0.3.0"},
		"nothing is known":  {debug.BuildInfo{}, "unknown", "unknown"},
	} {
		program, taskgen := versionsOf(&c.info)
		assert.Equal(t, c.program, program, name)
		assert.Equal(t, c.taskgen, taskgen, name)
	}
}

func TestABuildHasAVersionForEachLabel(t *testing.T) {
	v := versions()
	assert.Len(t, v, len(buildInfo.labels))
	for i, version := range v {
		assert.NotEmpty(t, version, buildInfo.labels[i])
	}
}
