package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheVersionIsThatOfTheModule(t *testing.T) {
	set := func(kv ...string) (all []debug.BuildSetting) {
		for i := 0; i < len(kv); i += 2 {
			all = append(all, debug.BuildSetting{Key: kv[i], Value: kv[i+1]})
		}
		return all
	}
	own := debug.Module{Path: module, Version: "v1.2.3"}
	for want, info := range map[string]*debug.BuildInfo{
		"taskgen v1.2.3 go1.26": {GoVersion: "go1.26", Main: own},
		// go tool and go run build it within the user's module.
		"taskgen v1.2.3 go1.27":                           {GoVersion: "go1.27", Main: debug.Module{Path: "example.com/app", Version: "v9.9.9"}, Deps: []*debug.Module{{Path: "example.com/a"}, &own}, Settings: set("vcs.revision", "theirs")},
		"taskgen v0.0.0 => ../taskgen go1.26":             {GoVersion: "go1.26", Deps: []*debug.Module{{Path: module, Version: "v0.0.0", Replace: &debug.Module{Path: "../taskgen"}}}},
		"taskgen v0.0.0 => example.com/fork v1.0.0 go1.2": {GoVersion: "go1.2", Deps: []*debug.Module{{Path: module, Version: "v0.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.0.0"}}}},
		"taskgen (devel) 0123abc (modified) go1.26":       {GoVersion: "go1.26", Main: debug.Module{Path: module, Version: "(devel)"}, Settings: set("GOOS", "linux", "vcs.revision", "0123abc", "vcs.modified", "true")},
		"taskgen (devel) 0123abc go1.26":                  {GoVersion: "go1.26", Main: debug.Module{Path: module}, Settings: set("vcs.revision", "0123abc", "vcs.modified", "false")},
		"taskgen (unknown version) go1.26":                {GoVersion: "go1.26", Main: debug.Module{Path: "example.com/copy"}},
	} {
		assert.Equal(t, want, versionOf(info))
	}
}
